/** What it costs to trace steps, how large a record is, and how long it takes to decide whether one is a hit. */
import { hash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, openStore } from "../src/engine/index.ts";
import { TracedRuns } from "../src/engine/traced/traced-runs.ts";
import { isDigest } from "../src/core/index.ts";
import { tracedTables } from "../src/traced/schema.ts";
import { openState } from "../src/state/index.ts";
import { packagesArchive, packagesMissing } from "../testing/host-packages.ts";
import { peersMissing } from "../testing/peers.ts";
import { type Varve, sh } from "../testing/varve.ts";
import { type Times, timedCommand } from "./command-times.ts";
import { median } from "./measure.ts";
import { packedVarve } from "./side-by-side/varve-builder.ts";

const ROUNDS = 5;
const DECISIONS = 9;
const RECORD_FILES = 20_000;
const INPUT_FILES = 100_000;
const NPM_PACKAGES = 30;
const NPM_FILES = 40;

/** Steps in a root with 100 files in each of `/src/<0…99>`. */
const STEPS: Readonly<Record<string, string>> = {
  "10,000 opens of 100 files by the shell": "for i in $(seq 100); do for f in /src/1/*; do read x < $f; done; done",
  "10,000 files opened by the shell": "for f in /src/*/*; do read x < $f; done",
  "2,000 programs started by the shell": "for i in $(seq 20); do for f in /src/1/*; do cat $f; done; done > /out",
};

/** What is measured, by name. `base` is an image with a shell. */
export const TRACED: Readonly<Record<string, (varve: Varve, base: string) => Promise<string>>> = {
  "traced steps": overheads,
  "traced npm ci": npmOverhead,
  "traced record": recordSize,
  "traced decision": decisionTime,
};

/** Makes a context with 100 files in each `src/<n>`, whose names have nothing in common, as a record likes it least. */
async function contextOf(varve: Varve, name: string, count: number, dockerfile: string): Promise<string> {
  const context = await varve.files(name, { Dockerfile: dockerfile, ".dockerignore": "Dockerfile\n.dockerignore\n" });
  for (let at = 0; at < count; at += 1) {
    const directory = join(context, "src", String(Math.floor(at / 100)));
    if (at % 100 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, hash("sha256", String(at)).slice(0, 10)), `${at}\n`);
  }
  return context;
}

async function overheads(varve: Varve, base: string): Promise<string> {
  const context = await contextOf(varve, "traced-overhead", 10_000, "");
  const command = await packedVarve(varve.folder);
  const lines = [`traced: with and without, medians of ${ROUNDS} rounds that take turns`];
  for (const [name, step] of Object.entries(STEPS)) {
    writeFileSync(join(context, "Dockerfile"), `FROM ${base}\nCOPY src /src\n# varve: never\nRUN ${step}\n`);
    lines.push(overhead(name, command, context, varve));
  }
  return lines.join("\n");
}

/** Builds a context with and without tracing, in turns. */
function overhead(name: string, command: readonly string[], context: string, varve: Varve): string {
  const run = (traced: string): Times =>
    timedCommand(
      [...command, "build", "--progress=plain", "-o", "type=cacheonly", `--traced=${traced}`, context],
      varve.root,
    );
  run("contents");
  const rounds = Array.from({ length: ROUNDS }, () => ({ without: run("off"), with: run("contents") }));
  const middle = (pick: (one: (typeof rounds)[number]) => number): number => median(rounds.map(pick));
  const cpu = ratio(
    middle((one) => one.with.cpu),
    middle((one) => one.without.cpu),
  );
  const wall = ratio(
    middle((one) => one.with.wall),
    middle((one) => one.without.wall),
  );
  return `  ${name}: ${cpu} CPU time, ${wall} time of ${Math.round(middle((one) => one.without.wall))} ms`;
}

/** Installs packages that are in the context, by this machine's Node and npm. */
async function npmOverhead(varve: Varve): Promise<string> {
  const missing = packagesMissing(["nodejs"]) ?? peersMissing("npm");
  if (missing !== undefined) return `  npm ci: ${missing}`;
  const context = await varve.files("traced-npm", {
    Dockerfile: `FROM scratch
ADD base.tar /
ENV PATH=/usr/bin:/bin HOME=/tmp
WORKDIR /app
COPY app .
# varve: never
RUN npm ci --offline --no-audit --no-fund
`,
  });
  await packagesArchive(["nodejs", "coreutils"], context);
  // Its files may be newer than those of the package.
  await sh("tar", "-C", "/", "-rf", join(context, "base.tar"), "./usr/lib/node_modules/npm");
  const app = join(context, "app");
  const dependencies: Record<string, string> = {};
  for (let at = 0; at < NPM_PACKAGES; at += 1) {
    const folder = join(app, `p${at}`);
    mkdirSync(join(folder, "package"), { recursive: true });
    writeFileSync(join(folder, "package/package.json"), JSON.stringify({ name: `p${at}`, version: "1.0.0" }));
    for (let file = 0; file < NPM_FILES; file += 1)
      writeFileSync(join(folder, `package/${file}.js`), `"${at} ${file}"`);
    await sh("tar", "-C", folder, "-czf", `${folder}.tgz`, "package");
    rmSync(folder, { recursive: true });
    dependencies[`p${at}`] = `file:p${at}.tgz`;
  }
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", version: "1.0.0", dependencies }));
  await sh("npm", "--prefix", app, "install", "--package-lock-only", "--offline", "--no-audit", "--no-fund");
  await varve.build(["-o", "type=cacheonly", context]);
  const name = `npm ci of ${NPM_PACKAGES} packages with ${NPM_FILES} files`;
  return overhead(name, await packedVarve(varve.folder), context, varve);
}

async function recordSize(varve: Varve, base: string): Promise<string> {
  const text = `FROM ${base}\nCOPY src /src\nRUN for f in /src/*/*; do read x < $f; done\n`;
  const context = await contextOf(varve, "traced-record", RECORD_FILES, text);
  await varve.build(["--traced", "-o", "type=cacheonly", context]);
  using state = openState(join(varve.root, "state.db"));
  const row = state.get<{ bytes: number }>("SELECT max(length(accesses)) AS bytes FROM traced_step");
  return `  record of ${RECORD_FILES} paths: ${Math.round((row?.bytes ?? 0) / 1000)} kB`;
}

/** Changes one file of a large input, and decides again and again whether the run on the input before is a hit. */
async function decisionTime(varve: Varve, base: string): Promise<string> {
  const text = `FROM ${base}\nCOPY . /in\nRUN for f in /in/src/1*/*; do read x < $f; done\n`;
  const path = await contextOf(varve, "traced-input", INPUT_FILES, text);
  await using store = await openStore({ root: varve.root });
  const once = async (): Promise<unknown> =>
    await build({ store, context: { kind: "directory", path }, traced: "contents", outputs: [{ type: "cacheonly" }] });
  const rows = (): { op: string; input: string; others: string }[] =>
    store.state.all("SELECT op, input, others FROM traced_step");
  store.state.install(tracedTables);
  const known = new Set(rows().map(({ input }) => input));
  await once();
  const first = rows().find(({ input }) => !known.has(input));
  writeFileSync(join(path, "src/2", readdirSync(join(path, "src/2"))[0] ?? ""), "changed\n");
  await once();
  const second = rows().find(({ op, input }) => op === first?.op && input !== first.input);
  if (first === undefined || second === undefined || !isDigest(second.op)) throw new Error("the step was not recalled");
  store.state.run("DELETE FROM traced_step WHERE input = ?", second.input);
  const options = { mode: "contents", since: 0, signal: new AbortController().signal } as const;
  const times: number[] = [];
  for (let round = 0; round < DECISIONS; round += 1) {
    const runs = new TracedRuns(store.records, store.state, () => []);
    const start = performance.now();
    const found = await runs.find({ op: second.op, root: second.input, others: second.others }, options);
    times.push(performance.now() - start);
    if (found.kind !== "hit") throw new Error(`the decision is ${found.kind}`);
  }
  return `  decision over ${INPUT_FILES} files: ${median(times).toFixed(1)} ms, the first time ${times[0]?.toFixed(1)} ms`;
}

function ratio(value: number, base: number): string {
  return `${((value / base - 1) * 100).toFixed(1)} % more`;
}
