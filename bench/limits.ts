/** What layers take of a process, whatever their size: its memory and its attention. */
import { createWriteStream } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createLayer, writeTar } from "../src/layer/index.ts";
import { inProcess, type Taken } from "./layer-process.ts";
import { fillWithLarge, fillWithSmall } from "./layer-samples.ts";
import { lazySample } from "./layers.ts";

const ENTRIES = 100_000;
const ROUNDS = 3;

/** The least of several runs counts for the stall: others on the machine can only make it longer. */
async function row(name: string, work: () => Promise<Taken>): Promise<string> {
  const taken: Taken[] = [];
  for (let round = 0; round < ROUNDS; round += 1) taken.push(await work());
  const stalls = taken.map(({ stall }) => stall).toSorted((a, b) => a - b);
  const peak = Math.max(...taken.map((one) => one.peak)) / 1e6;
  const cpu = Math.min(...taken.map((one) => one.cpu));
  const all = stalls.map((stall) => stall.toFixed(1)).join(", ");
  return `  ${name.padEnd(38)} peak ${peak.toFixed(0).padStart(4)} MB   processor ${cpu.toFixed(1).padStart(5)} s   longest stalls ${all} ms`;
}

/** Peak memory, and the event loop's longest stall, of processes that make and unpack layers. */
export async function reportLimits(folder: string): Promise<void> {
  const out = join(folder, "limits-out");
  const fresh = async (): Promise<string> => {
    await rm(out, { recursive: true, force: true });
    await mkdir(out, { recursive: true });
    return out;
  };
  console.log(`Memory and stalls, of ${ROUNDS} processes each`);
  console.log(await row("nothing, for 3 s", () => inProcess("idle")));
  for (const [name, fill] of [
    ["1 GiB", (tree: string) => fillWithLarge(tree, 16)],
    ["10,000 small files", fillWithSmall],
  ] as const) {
    const { tree, blob, layer } = await lazySample(join(folder, `limits-${name.replaceAll(" ", "-")}`), fill)();
    console.log(await row(`layer created of ${name}`, async () => inProcess("create", tree, await fresh())));
    const unpack = async (): Promise<Taken> => inProcess("unpack", blob, await fresh(), layer.diffId);
    console.log(await row(`layer unpacked of ${name}`, unpack));
  }
  const blob = join(folder, "limits-delete.tar.gz");
  const { bytes, result } = createLayer(writeTar([{ path: ".wh.many" }]), { compression: "gzip" });
  await pipeline(bytes, createWriteStream(blob));
  const { diffId } = await result;
  const remove = async (): Promise<Taken> => {
    const many = join(await fresh(), "many");
    await mkdir(many);
    for (let at = 0; at < ENTRIES; at += 1) await writeFile(join(many, `${at}`), "");
    return await inProcess("unpack", blob, out, diffId);
  };
  console.log(`${await row("directory of 100,000 files deleted", remove)}\n`);
  await rm(out, { recursive: true, force: true });
}
