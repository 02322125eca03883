/** Where the processor time of Varve goes in the scenarios. */
import { readFile, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { GROUPS } from "./groups.ts";
import type { Bench } from "./row.ts";
import { varveBuilder } from "./varve-builder.ts";

/** What V8 writes with `--cpu-prof`: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** Microseconds between two samples. */
const INTERVAL = 500;
/** The most lines of each list. */
const SHOWN = 10;
const SOURCES = `file://${resolve("src")}/`;

/**
 * Runs scenarios with Varve alone, as one command from the sources, and prints the shares of its processor time after each: by the module
 * that called, and by the function that ran.
 */
export async function runProfiles(bench: Bench, isWanted: (id: string) => boolean): Promise<void> {
  const directory = join(bench.varve.folder, "profiles");
  const options = `--cpu-prof --cpu-prof-interval=${INTERVAL} --cpu-prof-dir=${directory}`;
  const own = varveBuilder([process.execPath, resolve("bin/varve.js")], join(bench.varve.folder, "profiled-root"), {
    env: { NODE_OPTIONS: options },
  });
  const alone: Bench = {
    ...bench,
    builders: [own],
    complete: [own],
    buildx: undefined,
    served: () => Promise.resolve({ ...own, name: "varve (again)" }),
  };
  for (const group of GROUPS.filter(({ id }) => isWanted(id)))
    for await (const { title } of group.measure(alone)) {
      const profiles = await profilesIn(directory);
      // A group yields rows that repeat the same runs.
      if (profiles.length > 0) console.log(`${title}\n${describeProfiles(profiles)}\n`);
      await rm(directory, { recursive: true, force: true });
    }
}

async function profilesIn(directory: string): Promise<CpuProfile[]> {
  const names = await readdir(directory).catch(() => []);
  return await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(directory, name), "utf8")) as CpuProfile),
  );
}

/** Adds profiles up, each of one thread, and lists what has most of the time. */
export function describeProfiles(profiles: readonly CpuProfile[]): string {
  const busy = profiles
    .flatMap((profile) => [...stacksOf(profile)])
    .filter(({ frames }) => frames[0]?.functionName !== "(idle)");
  const total = busy.reduce((sum, { time }) => sum + time, 0);
  const lines = (nameOf: (stack: Stack) => string): string[] => {
    const shares = new Map<string, number>();
    for (const stack of busy) shares.set(nameOf(stack), (shares.get(nameOf(stack)) ?? 0) + stack.time);
    return [...shares]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, SHOWN)
      .map(([name, time]) => `    ${((100 * time) / total).toFixed(1).padStart(5)} %  ${name}`);
  };
  const seconds = (total / 1e6).toFixed(2);
  const head = `  ${seconds} s of ${profiles.length} threads; by module:`;
  return [head, ...lines(moduleOf), "  by function:", ...lines(functionOf)].join("\n");
}

type Frame = CpuProfile["nodes"][number]["callFrame"];

/** The functions that were being called, innermost first, for some microseconds. */
interface Stack {
  readonly frames: readonly Frame[];
  readonly time: number;
}

/** Returns one stack for each place of a profile. */
function* stacksOf({ nodes, samples, timeDeltas }: CpuProfile): Generator<Stack> {
  const times = new Map<number, number>();
  for (const [at, id] of samples.entries()) times.set(id, (times.get(id) ?? 0) + (timeDeltas[at] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  for (const [id, time] of times) {
    const frames: Frame[] = [];
    for (let here: number | undefined = id; here !== undefined; here = parents.get(here)) {
      const node = byId.get(here);
      if (node !== undefined) frames.push(node.callFrame);
    }
    yield { frames, time };
  }
}

function moduleOf({ frames }: Stack): string {
  for (const { functionName, url } of frames) {
    if (url.includes("internal/modules/")) return "loading of code";
    const directory = url.replace(/\/[^/]*$/, "");
    if (directory.startsWith(SOURCES)) return directory.slice(SOURCES.length);
    if (/^\((?:garbage collector|program)\)$/.test(functionName)) return functionName;
  }
  return "Node";
}

function functionOf({ frames: [leaf] }: Stack): string {
  const { functionName = "", url = "" } = leaf ?? {};
  const place = url.replace(SOURCES, "").replace(/^file:\/\/.*\/node_modules\//, "");
  return `${functionName === "" ? "(anonymous)" : functionName} ${place}`.trim();
}
