/** What it costs to say why steps were not cached, and to record what their keys are made of. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Varve } from "../testing/varve.ts";
import { openState } from "../src/state/index.ts";
import { type Times, timedCommand } from "./command-times.ts";
import { median } from "./measure.ts";
import { packedVarve } from "./side-by-side/varve-builder.ts";

const COLD_ROUNDS = 7;
const CACHED_ROUNDS = 11;
const CHANGES = 50;
const NOTES = "application/vnd.varve.cache.notes.v1";

/** Reports the overhead of a cold build of a context with many files, of a cached one, and the size of its list. */
export async function reportWhy(varve: Varve, context: string): Promise<string> {
  const [program, ...first] = await packedVarve(varve.folder);
  const root = join(varve.folder, "why-root");
  const dockerfile = join(varve.folder, "Dockerfile.why");
  writeFileSync(dockerfile, "FROM scratch\nCOPY src /src\n");
  const outputs = ["-o", "type=cacheonly"];
  const buildIn = (folder: string, args: readonly string[]): Times =>
    timedCommand(
      [program, ...first, "build", "--progress=plain", ...outputs, "-f", dockerfile, ...args, context],
      folder,
    );
  const build = (...args: readonly string[]): Times => buildIn(root, args);
  // Every root is a new one, and none is removed meanwhile: ext4 looks long for inodes when many were freed just before.
  let roots = 0;
  const cold = compare(COLD_ROUNDS, (flags) => buildIn(`${root}-${(roots += 1)}`, flags));
  build();
  const cached = compare(CACHED_ROUNDS, (flags) => build(...flags));
  const cache = join(varve.folder, "why-cache");
  build("--cache-to", `type=local,dest=${cache},mode=max`);
  const size = sizeOfNotes(cache);
  const before = storedBytes(root);
  for (let change = 0; change < CHANGES; change += 1) {
    writeFileSync(join(context, "src", `${change}`, `file-${change * 100}.txt`), `changed ${change}\n`);
    build();
  }
  return [
    `why: with and without (--why=off), medians of ${COLD_ROUNDS} cold and ${CACHED_ROUNDS} cached builds`,
    `  cold:   ${ratio(cold.with.cpu, cold.without.cpu)} CPU time, ${ratio(cold.with.wall, cold.without.wall)} time`,
    `  cached: ${difference(cached.with.cpu, cached.without.cpu)} CPU time, ${difference(cached.with.wall, cached.without.wall)} time`,
    `  list: ${kilobytes(size)} in an exported cache, ${kilobytes(before)} in the store, ${kilobytes(storedBytes(root))} after ${CHANGES} changes`,
  ].join("\n");
}

interface Compared {
  readonly with: Times;
  readonly without: Times;
}

/** Takes turns, so that what else the machine does falls on both alike. */
function compare(rounds: number, run: (flags: readonly string[]) => Times): Compared {
  const all: Compared[] = [];
  for (let round = 0; round < rounds; round += 1) all.push({ with: run([]), without: run(["--why=off"]) });
  const middle = (pick: (one: Compared) => Times): Times => ({
    wall: median(all.map((one) => pick(one).wall)),
    cpu: median(all.map((one) => pick(one).cpu)),
  });
  return { with: middle((one) => one.with), without: middle((one) => one.without) };
}

function sizeOfNotes(cache: string): number {
  const blobs = join(cache, "blobs/sha256");
  const small = readdirSync(blobs).map((name) => readFileSync(join(blobs, name)));
  for (const bytes of small.filter((blob) => blob.length < 1_000_000 && blob[0] === 0x7b)) {
    const { layers = [] } = JSON.parse(bytes.toString()) as { layers?: { mediaType?: string; size?: number }[] };
    const notes = layers.find(({ mediaType }) => mediaType === NOTES);
    if (notes?.size !== undefined) return notes.size;
  }
  throw new Error("the exported cache has no lists");
}

/** Bytes of the lists and facts in a store. */
function storedBytes(root: string): number {
  using state = openState(join(root, "state.db"));
  const sums = [
    "SELECT sum(length(facts)) AS bytes FROM explain_step",
    "SELECT sum(length(chunks)) AS bytes FROM explain_list",
    "SELECT sum(length(id) + length(files)) AS bytes FROM explain_chunk",
  ];
  return sums.reduce((sum, sql) => sum + (state.get<{ bytes: number | null }>(sql)?.bytes ?? 0), 0);
}

function ratio(value: number, base: number): string {
  return `${((value / base - 1) * 100).toFixed(1)} % more`;
}

function difference(value: number, base: number): string {
  return `${(value - base).toFixed(1)} ms more`;
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000)} kB`;
}
