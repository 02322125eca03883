/**
 * Opens the networks that the arguments name, as JSON: settings, directory, and how many steps. Writes `ready` with the ids of the steps'
 * namespaces, and stays until its input ends.
 */
import { readlinkSync } from "node:fs";
import { Networks, type NetworkSettings } from "../src/network/index.ts";

const [text = "{}", directory = "", count = "1"] = process.argv.slice(2);
await using networks = new Networks(JSON.parse(text) as NetworkSettings, directory);
await using steps = new AsyncDisposableStack();
const lines: string[] = [];
for (let step = 0; step < Number(count); step += 1) {
  const entered = await networks.enter({});
  if (entered.kind !== "isolated") throw new Error(entered.kind);
  steps.use(entered.network);
  const path = `/proc/${process.pid}/fd/${entered.network.namespace}`;
  lines.push(`${path} ${readlinkSync(path)}`);
}
process.stdout.write(`${lines.join("\n")}\nready\n`);
for await (const _ of process.stdin);
