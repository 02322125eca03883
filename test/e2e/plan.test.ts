import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { messageOf } from "../../src/core/index.ts";
import { temporaryDirectory } from "../../src/io/index.ts";
import {
  type BuildPlan,
  type BuildResult,
  type BuildSettings,
  type PlanStep,
  build,
  openStore,
  plan,
} from "../../src/engine/index.ts";
import { prune } from "../../src/caches/index.ts";
import { generatedRuns } from "../../testing/sampled.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import { startFaultProxy } from "../../testing/fault-proxy.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";

const skip = buildsUnavailable() ?? false;
const NOWHERE = [{ type: "cacheonly" }] as const;

/** A stage that follows `FROM scratch` and the copy of busybox. */
interface GeneratedStage {
  readonly steps: readonly string[];
}

const POLICIES = ["", "", "", "# varve: ttl=1d\n", "# varve: never\n", "# varve: cutoff\n", "# varve: ttl=1d cutoff\n"];
const STEPS = [
  "COPY one /one",
  "COPY two /two",
  "COPY dir /dir",
  "COPY --link dir/a /a",
  "WORKDIR /w",
  "ENV KEY=value",
  "ARG WORD",
  "RUN echo $WORD | wc -c > /length",
  "RUN cat /proc/uptime > /now",
  "RUN --mount=type=bind,target=/c ls -R /c > /list",
  "RUN echo fixed > /fixed",
  "COPY --from=stage-0 /bin/busybox /other",
  "COPY --from=stage-0 /now* /length* /copied/",
];

const step = fc.tuple(fc.constantFrom(...POLICIES), fc.constantFrom(...STEPS)).map(([policy, line]) => {
  const isStep = /^(RUN|COPY|WORKDIR)/.test(line);
  const isRun = line.startsWith("RUN");
  return isStep && (isRun || !policy.includes("cutoff")) ? `${policy}${line}` : line;
});
const stages = fc.array(fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 3 }) }), {
  minLength: 1,
  maxLength: 3,
});

function dockerfileOf(generated: readonly GeneratedStage[]): string {
  return generated
    .map(({ steps }, index) => {
      const own = steps.filter((line) => index > 0 || !line.includes("--from="));
      return `FROM scratch AS stage-${index}\nCOPY bin /bin\n${own.join("\n")}\n`;
    })
    .join("");
}

/** What happens between the first build and the plan. */
type Change = (world: World) => void | Promise<void>;

interface World {
  readonly context: string;
  readonly root: string;
  dockerfile: string;
  settings: Partial<BuildSettings>;
}

const CHANGES: Readonly<Record<string, Change>> = {
  nothing: () => undefined,
  content: ({ context }) => writeFileSync(join(context, "one"), "changed"),
  mode: ({ context }) => chmodSync(join(context, "dir/a"), 0o700),
  rename: ({ context }) => renameSync(join(context, "dir/a"), join(context, "dir/b")),
  added: ({ context }) => writeFileSync(join(context, "dir/new"), "new"),
  ignored: ({ context }) => writeFileSync(join(context, ".dockerignore"), "dir/a\n"),
  command: (world) => void (world.dockerfile = world.dockerfile.replace("echo fixed", "echo other")),
  last: (world) => void (world.dockerfile += "RUN echo last > /last\n"),
  removed: (world) => void (world.dockerfile = world.dockerfile.replace(/\n(COPY|RUN|ENV) (?!bin)[^\n]*\n/, "\n")),
  argument: (world) => void (world.settings = { buildArgs: { WORD: "longer" } }),
  target: (world) => void (world.settings = { target: "stage-0" }),
  noCache: (world) => void (world.settings = { noCache: true }),
  noCacheStage: (world) => void (world.settings = { noCache: ["stage-0"] }),
  aged: ({ root }) => {
    using database = new DatabaseSync(join(root, "state.db"));
    database.exec("UPDATE cache_result SET created_at = created_at - 172800000");
  },
  pruned: async ({ root }) => {
    await using store = await openStore({ root });
    await prune(store, { filters: ["type!=exec.cachemount"] }).catch(async () => await prune(store, { all: true }));
  },
  reverted: async (world) => {
    writeFileSync(join(world.context, "one"), "between");
    await settled(built(world));
    writeFileSync(join(world.context, "one"), "1");
  },
};

async function built({ context, root, dockerfile, settings }: World): Promise<BuildResult> {
  writeFileSync(join(context, "Dockerfile"), dockerfile);
  await using store = await openStore({ root });
  return await build({ store, context: { kind: "directory", path: context }, outputs: NOWHERE, ...settings });
}

async function planned({ context, root, dockerfile, settings }: World): Promise<readonly PlanStep[]> {
  writeFileSync(join(context, "Dockerfile"), dockerfile);
  const { steps } = await plan({ store: { root }, context: { kind: "directory", path: context }, ...settings });
  return steps;
}

/** What a step may turn out to be, by what the plan said. */
const ALLOWED: Readonly<Record<PlanStep["outcome"]["kind"], readonly string[]>> = {
  hit: ["hit", "skipped"],
  miss: ["run"],
  unknown: ["hit", "run", "skipped"],
  unneeded: ["hit", "skipped"],
};

function compare(steps: readonly PlanStep[], { steps: happened }: BuildResult, about: string): void {
  const byName = new Map(happened.map((each) => [each.name, each.status]));
  for (const { name, outcome } of steps) {
    const status = byName.get(name) ?? "skipped";
    assert.ok(ALLOWED[outcome.kind].includes(status), `${about}: ${name} was planned as ${outcome.kind}: ${status}`);
  }
}

/** Plans and builds. A plan that fails must fail as the build does. Returns the steps of the plan. */
async function compared(here: World, about: string): Promise<readonly PlanStep[]> {
  const [found, result] = [await settled(planned(here)), await settled(built(here))];
  if ("error" in found) {
    assert.equal("error" in result ? result.error : "the build succeeded", found.error, about);
    return [];
  }
  if ("value" in result) compare(found.value, result.value, about);
  return found.value;
}

async function settled<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly error: string }> {
  try {
    return { value: await work };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function world(folder: string): Promise<World> {
  const context = join(folder, "context");
  mkdirSync(join(context, "dir"), { recursive: true });
  mkdirSync(join(context, "bin"));
  copyFileSync("/bin/busybox", join(context, "bin/busybox"));
  for (const name of ["sh", "cat", "wc", "ls", "echo"]) copyFileSync("/bin/busybox", join(context, "bin", name));
  for (const [name, text] of Object.entries({ one: "1", two: "2", "dir/a": "a" }))
    writeFileSync(join(context, name), text);
  return { context, root: join(folder, "root"), dockerfile: "", settings: {} };
}

describe("plans", { skip }, () => {
  test("no plan contradicts the build that follows", async () => {
    const kinds = { hit: 0, miss: 0, unknown: 0, unneeded: 0 };
    const property = fc.asyncProperty(stages, fc.constantFrom(...Object.keys(CHANGES)), async (generated, name) => {
      await using folder = await temporaryDirectory();
      const here = await world(folder.path);
      here.dockerfile = dockerfileOf(generated);
      await settled(built(here));
      await CHANGES[name]?.(here);
      const steps = await compared(here, `${name}\n${here.dockerfile}`);
      for (const { outcome } of steps) kinds[outcome.kind] += 1;
    });
    await fc.assert(property, { numRuns: generatedRuns(16, 240), seed: 7, endOnFailure: true });
    assert.ok(kinds.hit > 0 && kinds.miss > 0, JSON.stringify(kinds));
  });

  test("nor one with an imported cache, on a machine that has nothing else", async () => {
    const property = fc.asyncProperty(
      stages,
      fc.constantFrom("nothing", "content", "last", "argument", "aged"),
      fc.constantFrom("min", "max"),
      async (generated, name, mode) => {
        await using folder = await temporaryDirectory();
        const here = await world(folder.path);
        here.dockerfile = dockerfileOf(generated);
        const cache = join(folder.path, "cache");
        await settled(built(here));
        if (name === "aged") await CHANGES[name]?.(here);
        here.settings = { cacheTo: [{ type: "local", attrs: { dest: cache, mode } }] };
        await settled(built(here));
        here.settings = {};
        if (name !== "aged") await CHANGES[name]?.(here);
        const there = { ...here, root: join(folder.path, "other") };
        there.settings = { ...here.settings, cacheFrom: [{ type: "local", attrs: { src: cache } }] };
        await compared(there, `${name} ${mode}\n${here.dockerfile}`);
      },
    );
    await fc.assert(property, { numRuns: generatedRuns(5, 60), seed: 11, endOnFailure: true });
  });
});

/** Every path below a folder, with its size, mode and time of change. */
function snapshot(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { size, mode, ctimeMs } = lstatSync(join(folder, name));
      return `${name} ${size} ${mode} ${ctimeMs}`;
    });
}

const WRITES =
  /^(?:creat|mkdir(?:at)?|rename(?:at2?)?|unlink(?:at)?|rmdir|symlink(?:at)?|link(?:at)?|mknod(?:at)?|f?chmod(?:at)?|l?chown|fchownat|truncate|utimensat)\(/;

/** Returns the system calls of a trace that start a program, or change a file outside `temporary`. */
function sideEffects(trace: string, temporary: string): string[] {
  const calls = trace.split("\n").map((line) => line.replace(/^\d+ +/, ""));
  const starts = calls.filter((call) => /^execve(?:at)?\(/.test(call)).slice(1);
  const changes = calls.filter(
    (call) => WRITES.test(call) || (/^open(?:at2?)?\(/.test(call) && /O_(?:WRONLY|RDWR|CREAT)/.test(call)),
  );
  const isElsewhere = (call: string): boolean => {
    const [, directory = ""] = /^\w+\((?:AT_FDCWD|\d+)<([^>]*)>/.exec(call) ?? [];
    const [, path = ""] = /"([^"]*)"/.exec(call) ?? [];
    const full = resolve(directory, path);
    return !full.startsWith(`${temporary}/`) && !full.startsWith("/dev/") && !full.startsWith("/proc/self/");
  };
  return [...starts, ...changes.filter(isElsewhere)];
}

describe("what a plan does", { skip: buildsUnavailable("strace") ?? registryMissing() ?? false }, () => {
  test("it starts no program, writes only temporary files, fetches no layer, and changes nothing in the store", async () => {
    await using server = await startRegistry();
    await using proxy = await startFaultProxy({ upstream: server.host });
    await using maker = await Varve.open();
    const files = { "bin/busybox": await readFile("/bin/busybox"), one: "1" };
    const base = await maker.files("base", { ...files, Dockerfile: "FROM scratch\nCOPY --chmod=755 bin /bin\n" });
    const name = `${proxy.host}/base:1`;
    await maker.build(["-t", name, "--push", base]);
    const text = `FROM ${name}\nCOPY one /one\nRUN ["/bin/busybox", "cp", "/one", "/two"]\n`;
    const context = await maker.files("context", { one: "1", Dockerfile: text });
    const cache = `${proxy.host}/cache:1`;
    await maker.build(["-o", "type=cacheonly", "--cache-to", `type=registry,ref=${cache},mode=max`, context]);
    await maker.files("context", { Dockerfile: `${text}RUN ["/bin/busybox", "cp", "/two", "/three"]\n` });
    const temporary = await maker.files("temporary", {});
    await using user = await Varve.open();
    await user.build(["-o", "type=cacheonly", base]);
    const before = snapshot(user.root);
    const seen = proxy.requests.length;
    const trace = join(maker.folder, "trace");
    const wrapper = ["strace", "-f", "-y", "-s", "300", "-e", "trace=%file,%process", "-o", trace];
    const env = { TMPDIR: temporary };
    const args = ["build", "--plan", "--no-server", "--format=json", "--cache-from", cache, context];
    const outcome = await user.run(args, { wrapper, env });
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(snapshot(user.root), before);
    assert.deepEqual(
      readdirSync(temporary).filter((left) => left.startsWith("varve-")),
      [],
    );
    assert.deepEqual(sideEffects(await readFile(trace, "utf8"), temporary), []);
    const { steps, totals } = JSON.parse(outcome.stdout) as BuildPlan;
    assert.deepEqual(
      steps.map(({ outcome: { kind } }) => kind),
      ["unneeded", "hit", "hit", "miss"],
    );
    assert.ok(totals.fetchBytes > 0);
    const fetched = proxy.requests.slice(seen).filter(({ method, url }) => method === "GET" && url.includes("/blobs/"));
    const layers = await blobsOfType(
      maker,
      fetched.map(({ url }) => url.slice(url.lastIndexOf("/") + 1)),
    );
    assert.deepEqual(layers, []);
    const whole = await user.run(["build", "--plan=check", "--no-server", "--cache-from", cache, context], { env });
    assert.equal(whole.code, 1);
    assert.match(whole.stdout, /1 miss/);
    await user.build(["-o", "type=cacheonly", "--cache-from", cache, context]);
    assert.equal((await user.run(["build", "--plan=check", "--no-server", context], { env })).code, 0);
  });
});

/** Returns those of some blobs that are not JSON: layers. */
async function blobsOfType({ root }: Varve, digests: readonly string[]): Promise<string[]> {
  const layers: string[] = [];
  for (const digest of digests) {
    const path = join(root, "content/blobs", digest.replace(":", "/"));
    const head = existsSync(path) ? (await readFile(path)).subarray(0, 1).toString() : "{";
    if (head !== "{") layers.push(digest);
  }
  return layers;
}
