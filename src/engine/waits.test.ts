import { pullImage } from "../images/index.ts";
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type SilentServer, startSilentServer } from "../../testing/silent-server.ts";
import { recordsMissing } from "../../testing/records.ts";
import { type Wait, describeWait, temporaryDirectory } from "../io/index.ts";
import { ANONYMOUS } from "../registry/index.ts";
import { build } from "./build.ts";
import type { BuildEvent } from "./progress/events.ts";
import type { BuildOptions } from "./options/options.ts";
import { type Store, openStore } from "./store/store.ts";

/** Returns a store whose registry client has short time-outs. */
async function storeOf(root: string, { host }: SilentServer): Promise<Store> {
  return await openStore({
    root,
    snapshotter: "copy",
    registry: {
      credentials: () => Promise.resolve(ANONYMOUS),
      env: {},
      timeouts: { idle: 60, notice: 10 },
      retry: { first: 1, longest: 4 },
      config: { registries: { [host]: { http: true } } },
    },
  });
}

/** Runs a build that fails, and returns its logs by step name. */
async function failedLogs(
  store: Store,
  dockerfile: string,
  options: Pick<BuildOptions, "cacheFrom" | "cacheTo"> = {},
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const logs = new Map<string, string>();
  const onEvent = (event: BuildEvent): void => {
    if (event.kind === "vertex") names.set(event.digest, event.name);
    if (event.kind !== "log") return;
    const name = names.get(event.vertex) ?? "";
    logs.set(name, (logs.get(name) ?? "") + Buffer.from(event.data).toString());
  };
  await using empty = await temporaryDirectory();
  const context = { kind: "directory", path: empty.path } as const;
  const file = { kind: "text", text: dockerfile } as const;
  await assert.rejects(build({ store, context, dockerfile: file, onEvent, ...options }), { code: "remote" });
  return logs;
}

suite("waits for a registry are reported", { skip: recordsMissing() ?? false }, () => {
  test("by the step that waits for an image, and by a pull", async () => {
    await using server = await startSilentServer();
    await using directory = await temporaryDirectory();
    await using store = await storeOf(directory.path, server);
    const logs = await failedLogs(store, `FROM ${server.host}/app:1\n`);
    const text = logs.get(`[internal] load metadata for ${server.host}/app:1`) ?? "";
    for (const attempt of [1, 2, 3])
      assert.ok(text.includes(`waiting for ${server.host}: no answer for 0 s (try ${attempt} of 3)\n`), text);
    const waits: Wait[] = [];
    const pulled = pullImage(store, `${server.host}/app:1`, { onWait: (wait) => void waits.push(wait) });
    await assert.rejects(pulled, { code: "remote" });
    assert.match(waits.map(describeWait).join("\n"), /\(try 1 of 3\)[^]*\(try 3 of 3\)/);
    assert.equal(server.requests.length, 6);
  });

  test("by imports and exports of caches", async () => {
    await using server = await startSilentServer();
    await using directory = await temporaryDirectory();
    await using store = await storeOf(directory.path, server);
    const ref = `${server.host}/cache:1`;
    const cacheFrom = [{ type: "registry", attrs: { ref } }];
    const cacheTo = [{ type: "registry", attrs: { ref, mode: "max", "ignore-error": "false" } }];
    const logs = await failedLogs(store, "FROM scratch\nCOPY <<E /a\nE\n", { cacheFrom, cacheTo });
    for (const name of [`importing cache manifest from ${ref}`, "exporting cache to registry"])
      assert.match(logs.get(name) ?? "", /no answer for 0 s \(try 1 of 3\)[^]*\(try 3 of 3\)/, name);
  });
});
