/**
 * Measures Varve beside whichever peers are installed, in one run: the numbers to look at are the ratios. Takes the names of
 * scenarios to run only those. `quick` runs the scenarios side by side (S1, S2, …) only, in fewer rounds and beside BuildKit only.
 * `profile S5` says where Varve's processor time goes in a scenario.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installPrograms } from "../scripts/lib/system-packages.ts";
import { Varve, busyboxImage, sh } from "../testing/varve.ts";
import { openBuildkitBench } from "./buildkit.ts";
import { openCacheBench } from "./caches.ts";
import { openCloudBench } from "./clouds.ts";
import { openClassic } from "./classic.ts";
import { exportScenario } from "./exports.ts";
import { layerScenarios } from "./layers.ts";
import { imageScenarios, openImage } from "./images.ts";
import { reportLimits } from "./limits.ts";
import { transferScenarios } from "./transfers.ts";
import { type Contender, type Scenario, measure, report } from "./measure.ts";
import { TRACED } from "./traced.ts";
import { reportWhy } from "./why.ts";
import { type Peer, openPeers } from "./peers.ts";
import { runSideBySide } from "./side-by-side/run.ts";

const BASE = "localhost/bench-base:1";
const FILES = 10_000;

installPrograms([
  { program: "crun", package: "crun" },
  { program: "busybox", package: "busybox-static" },
  { program: "strace", package: "strace" },
]);

await using varve = await Varve.open();
await busyboxImage(varve, BASE);
const tar = join(varve.folder, "base.tar");
const empty = await varve.files("export", { Dockerfile: `FROM ${BASE}\n` });
await varve.build(["-o", `type=tar,dest=${tar}`, empty]);
await using stack = new AsyncDisposableStack();
const peers = await openPeers(varve.folder);
for (const peer of peers) {
  stack.use(peer);
  await peer.importBase(BASE, tar);
}

/** The same build by everyone; with the cache, everyone has built it once before. */
function contenders(tag: string, context: string, cache: boolean): Contender[] {
  const flags = cache ? [] : ["--no-cache"];
  const own: Contender = { name: "varve", run: async () => void (await varve.build(["-t", tag, ...flags, context])) };
  const others = peers.map((peer: Peer): Contender => ({
    name: peer.name,
    run: () => peer.build(tag, context, { cache }),
  }));
  return [own, ...others];
}

async function warm(all: readonly Contender[]): Promise<void> {
  for (const contender of all) await contender.run();
}

const words = process.argv.slice(2).filter((word) => !["quick", "profile"].includes(word));
const isProfile = process.argv.includes("profile");
const isQuick = isProfile || process.argv.includes("quick");

function isWanted(name: string): boolean {
  return words.length === 0 ? !isQuick : words.some((word) => name.includes(word));
}

await runSideBySide({
  varve,
  // They take most of the time.
  peers: isQuick ? [] : peers,
  isQuick,
  isProfile,
  isWanted: (id) => words.length === 0 || words.includes(id),
});

async function runScenario(scenario: Scenario, warmUp: boolean): Promise<void> {
  if (!isWanted(scenario.name)) return;
  if (warmUp) await warm(scenario.contenders);
  console.log(`${report(scenario, await measure(scenario))}\n`);
}

const steps = await varve.files("steps", { Dockerfile: `FROM ${BASE}\n${"RUN true\n".repeat(30)}` });
await runScenario(
  { name: "30 × RUN true, cold", rounds: 3, contenders: contenders("bench/steps", steps, false) },
  false,
);
await runScenario(
  { name: "30 × RUN true, cached", rounds: 7, contenders: contenders("bench/steps", steps, true) },
  true,
);

const many: Record<string, string> = { Dockerfile: `FROM ${BASE}\nCOPY src /src\nRUN ls /src | wc -l\n` };
for (let i = 0; i < FILES; i += 1) many[`src/${Math.floor(i / 100)}/file-${i}.txt`] = `file ${i}\n`.repeat(40);
const big = await varve.files("many", many);
await runScenario(
  { name: `COPY of ${FILES} files, cold`, rounds: 3, contenders: contenders("bench/many", big, false) },
  false,
);
await runScenario(
  { name: `COPY of ${FILES} files, cached`, rounds: 7, contenders: contenders("bench/many", big, true) },
  true,
);

if (isWanted("why")) console.log(`${await reportWhy(varve, big)}\n`);
for (const [name, run] of Object.entries(TRACED)) if (isWanted(name)) console.log(`${await run(varve, BASE)}\n`);
for (const scenario of layerScenarios(varve.folder)) await runScenario(scenario, false);
for (const scenario of transferScenarios(varve.folder)) await runScenario(scenario, false);
if (isWanted("archive of a blob")) await runScenario(exportScenario(varve.folder), false);
if (isWanted("memory and stalls")) await reportLimits(varve.folder);
if (isWanted("image of 450 MiB")) {
  await using image = await openImage(varve, BASE);
  for (const scenario of imageScenarios(image, varve, peers)) await runScenario(scenario, false);
}

if (isWanted("cache export") || isWanted("cache import") || isWanted("cache traffic")) {
  await using bench = await openCacheBench();
  for (const scenario of bench?.scenarios ?? []) {
    await runScenario(scenario, false);
    if (isWanted(scenario.name)) console.log(`${bench?.report(scenario.name)}\n`);
  }
  if (isWanted("cache traffic")) console.log(`${await bench?.traffic()}\n`);
  if (bench === undefined) console.log("cache export and import: no current BuildKit or no registry can be had here\n");
}

if (isWanted("cloud export")) {
  await using bench = await openCloudBench();
  for (const scenario of bench?.scenarios ?? []) await runScenario(scenario, false);
  console.log(`${bench?.report() ?? "cloud export: no BuildKit, no registry or no s3rver can be had here"}\n`);
}

if (isWanted("classic: 30 × RUN true, cold") || isWanted("classic: 12 steps, cached")) {
  await using classic = await openClassic(varve, BASE);
  for (const scenario of classic?.scenarios ?? []) await runScenario(scenario, false);
  if (classic === undefined) console.log("classic: no Docker daemon can be had here\n");
}

if (isWanted("buildkit")) {
  await using bench = await openBuildkitBench();
  for (const scenario of bench?.scenarios ?? []) await runScenario(scenario, false);
  if (bench !== undefined) console.log(`Resident memory of the servers\n${await bench.memory()}\n`);
}

if (isWanted("files opened")) {
  const trace = join(varve.folder, "trace.txt");
  await varve.build(["-t", "bench/many", big]);
  await varve.build(["-t", "bench/many", big], {
    wrapper: ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", trace],
  });
  const opened = (await sh("grep", "-c", "", trace)).trim();
  const ofContext = await sh("grep", "-cE", "/file-[0-9]+\\.txt", trace).catch(() => "0");
  await writeFile(trace, "");
  console.log(
    `Files opened by the cached rebuild of ${FILES} files: ${opened} calls of open in all, ${ofContext.trim()} of a context file.`,
  );
}
