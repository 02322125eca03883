import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type CachedBuild, CacheFixture, SMALL_STEPS, hasty } from "../../testing/cache-fixture.ts";
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from "../../testing/fault-proxy.ts";
import { NOTHING_LEFT, findLeftovers } from "../../testing/leftovers.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { sampled } from "../../testing/sampled.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;
/** Builds at the same time, each by a proxy of its own. */
const WORKERS = 3;

const FAULTS: Readonly<Record<string, Fault>> = {
  "404": { kind: "status", status: 404 },
  "416": { kind: "status", status: 416 },
  "429": { kind: "status", status: 429, headers: { "retry-after": "3600" } },
  "500": { kind: "status", status: 500 },
  "503": { kind: "status", status: 503 },
  reset: { kind: "reset" },
  "reset within": { kind: "reset", after: 20 },
  stall: { kind: "stall" },
  "stall within": { kind: "stall", after: 20 },
  truncation: { kind: "truncate", after: 20 },
  "wrong bytes": { kind: "corrupt" },
  garbage: { kind: "garbage" },
};
/** Those that may be gone at the next try. */
const PASSING = ["500", "503", "reset", "reset within", "stall within"];

interface Case {
  readonly name: string;
  readonly fault: Fault;
  readonly when: (request: SeenRequest, number: number) => boolean;
  readonly attempts?: number;
  readonly last?: string;
}

interface Outcome extends CachedBuild {
  readonly name: string;
  /** Layers whose requests were spoilt: not the config. */
  readonly spoilt: ReadonlySet<string>;
  readonly host: string;
}

const blobOf = ({ url }: SeenRequest): string | undefined => /\/blobs\/(sha256:[0-9a-f]{64})/.exec(url)?.[1];
const stack = new AsyncDisposableStack();
let registry: RegistryServer;
let fixture: CacheFixture;
const digests = new Map<string, string | undefined>();
/** What a build asks a cache for that is as it should be. */
let clean: readonly SeenRequest[];
let layers: readonly string[];

before(async () => {
  if (skip !== false) return;
  registry = stack.use(await startRegistry());
  fixture = stack.use(await CacheFixture.open());
  for (const LAST of ["", "changed"]) digests.set(LAST, (await fixture.build({ buildArgs: { LAST } })).result.digest);
  await using proxy = await startFaultProxy({ upstream: registry.host });
  const options = { registry: hasty(proxy.host, { timeouts: {} }) };
  await fixture.build({ buildArgs: { LAST: "" }, cacheTo: [cache(proxy, { mode: "max" })] }, options);
  const first = proxy.requests.length;
  const { hits, ran } = await fixture.build({ buildArgs: { LAST: "" }, cacheFrom: [cache(proxy)] }, options);
  assert.deepEqual([hits.length, ran], [SMALL_STEPS, []]);
  clean = proxy.requests.slice(first);
  layers = clean.slice(2).flatMap((request) => blobOf(request) ?? []);
  assert.equal(clean.length, 2 + layers.length, "the manifest, the config and the layers");
});
after(() => stack.disposeAsync());

function cache({ host }: FaultProxy, attrs: Readonly<Record<string, string>> = {}) {
  return { type: "registry", attrs: { ref: `${host}/cache:1`, ...attrs } };
}

async function run({ name, fault, when, attempts = 1, last = "" }: Case, proxy: FaultProxy): Promise<Outcome> {
  const spoilt = new Set<string>();
  let number = 0;
  proxy.fault = (request) => {
    if (!when(request, (number += 1))) return undefined;
    const blob = blobOf(request);
    if (blob !== undefined && blob !== blobOf(clean[1] as SeenRequest)) spoilt.add(blob);
    return fault;
  };
  const idle = fault.kind === "stall" ? 1_000 : 60_000;
  const retry = { attempts, first: 1, longest: 2, patience: 5 };
  const build = await fixture.build(
    { buildArgs: { LAST: last }, cacheFrom: [cache(proxy)] },
    { registry: hasty(proxy.host, { timeouts: { idle }, retry }) },
  );
  assert.equal(build.result.digest, digests.get(last), name);
  // Control groups are named after the process, so that those of builds that still run are among them.
  assert.deepEqual({ ...build.left, cgroups: [] }, NOTHING_LEFT, name);
  return { ...build, name, spoilt, host: proxy.host };
}

async function runAll(all: readonly Case[]): Promise<Outcome[]> {
  const cases = sampled(all);
  const outcomes: Outcome[] = [];
  const open = cases.values();
  const work = async (): Promise<void> => {
    await using proxy = await startFaultProxy({ upstream: registry.host });
    for (const one of open) outcomes.push(await run(one, proxy));
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  assert.equal(outcomes.length, cases.length);
  assert.deepEqual(findLeftovers({ marks: [fixture.folder], stateDir: fixture.folder, pid: process.pid }).cgroups, []);
  return outcomes;
}

/** One warning for each blob that was lost, which names it and the cache. */
function assertTold({ name, spoilt, warnings, host }: Outcome): void {
  assert.equal(warnings.length > 0, spoilt.size > 0, `${name}: ${warnings.join("\n")}`);
  for (const warning of warnings) assert.ok(warning.includes(`${host}/cache`), warning);
  const named = warnings.map((warning) => [...spoilt].find((blob) => warning.includes(blob)));
  assert.ok(!named.includes(undefined) && new Set(named).size === named.length, `${name}: ${warnings.join("\n")}`);
}

suite("a build whose cache fails makes the same image", { skip }, () => {
  test("a blob, or the manifest, that cannot be had at all", async () => {
    const urls = clean.map(({ url }) => url);
    const cases = Object.entries(FAULTS).flatMap(([kind, fault]) =>
      urls.map((url, at): Case => ({ name: `${kind} of ${at}`, fault, when: (request) => request.url === url })),
    );
    for (const outcome of await runAll(cases)) {
      assertTold(outcome);
      assert.ok(outcome.ran.length > 0, outcome.name);
      const failed = outcome.events.some(
        (event) => event.kind === "vertex" && event.name.startsWith("importing") && event.error !== undefined,
      );
      assert.equal(failed, outcome.spoilt.size === 0, `${outcome.name}: a failed import is shown`);
    }
  });

  test("everything from one request on", async () => {
    const cases = ["404", "503", "stall"].flatMap((kind) =>
      clean.map((_, at): Case => ({
        name: `${kind} from ${at}`,
        fault: FAULTS[kind] as Fault,
        when: (__, number) => number > at,
      })),
    );
    for (const outcome of await runAll(cases)) {
      assertTold(outcome);
      const { name, warnings } = outcome;
      assert.ok(name.startsWith("404") || warnings.length <= 2, `${name}: it was asked on and on`);
    }
  });

  test("one request that fails is made again, and every step is a hit", async () => {
    const cases = PASSING.flatMap((kind) =>
      clean.map((_, at): Case => ({
        name: `${kind} at ${at}`,
        fault: FAULTS[kind] as Fault,
        when: (__, number) => number === at + 1,
        attempts: 3,
      })),
    );
    for (const { name, ran, warnings } of await runAll(cases)) assert.deepEqual([ran, warnings], [[], []], name);
  });

  test("a layer that a step stands on", async () => {
    const cases = ["404", "503", "reset within", "wrong bytes", "truncation"].flatMap((kind) =>
      layers.slice(0, -1).map((layer): Case => ({
        name: `${kind} of ${layer}`,
        fault: FAULTS[kind] as Fault,
        when: (request) => blobOf(request) === layer,
        last: "changed",
      })),
    );
    for (const outcome of await runAll(cases)) assertTold(outcome);
  });
});
