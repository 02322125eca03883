import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type CachedBuild, CacheFixture, SMALL_STEPS, hasty } from "../../testing/cache-fixture.ts";
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from "../../testing/fault-proxy.ts";
import { NOTHING_LEFT, findLeftovers } from "../../testing/leftovers.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { OBJECT_BACK_ENDS } from "../../testing/object-caches.ts";
import { GhaServer, ghaToken } from "../../testing/gha-server.ts";
import type { CacheSpec } from "../../src/engine/index.ts";
import { sampled } from "../../testing/sampled.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

/** Builds at the same time, each by a proxy of its own. */
const WORKERS = 3;

/** A type of cache. */
interface BackEnd {
  readonly missing: () => string | undefined;
  readonly start: () => Promise<AsyncDisposable & { readonly host: string }>;
  /** A cache on a server at `host`, whose requests are made so often, and wait for data for so many milliseconds. */
  readonly cache: (host: string, limits: { readonly attempts: number; readonly idle: number }) => CacheSpec;
  /** What warnings call the cache. */
  readonly called: (host: string) => string;
  /** Every how many of the cases are tried. */
  readonly nth: number;
}

const limitsOf = ({
  attempts,
  idle,
}: {
  readonly attempts: number;
  readonly idle: number;
}): Record<string, string> => ({
  retry_max_attempts: String(attempts),
  idle_timeout: `${idle}ms`,
  timeout: "1s",
});
const inObjects = (type: "s3" | "azblob", called: string): BackEnd => {
  const { missing, start, attributes } = OBJECT_BACK_ENDS.find((each) => each.type === type) ?? assert.fail();
  const cache: BackEnd["cache"] = (host, limits) => ({
    type,
    attrs: { ...attributes(host, "faults"), ...limitsOf(limits) },
  });
  return { missing, start, cache, called: () => called, nth: 12 };
};
const BACK_ENDS: Readonly<Record<string, BackEnd>> = {
  registry: {
    missing: registryMissing,
    start: startRegistry,
    cache: (host) => ({ type: "registry", attrs: { ref: `${host}/cache:1` } }),
    called: (host) => `${host}/cache`,
    nth: 3,
  },
  s3: inObjects("s3", "s3://bk"),
  azblob: inObjects("azblob", "azblob://"),
  gha: {
    missing: () => undefined,
    start: async () => {
      const server = await GhaServer.start();
      return { host: new URL(server.url).host, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    },
    cache: (host, limits) => ({
      type: "gha",
      attrs: { url: `http://${host}`, version: "1", token: TOKEN, ...limitsOf(limits) },
    }),
    called: () => "gha:",
    nth: 12,
  },
};
const TOKEN = ghaToken();

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
  /** What warnings call the cache. */
  readonly called: string;
}

/** What a request asks for. Signed URLs are new ones in every build. */
const placeOf = ({ url }: SeenRequest): string => url.replace(/&number=\d+$/, "");

/** The layer that a request is about. */
const blobOf = ({ url }: SeenRequest): string | undefined =>
  /(?:\/blobs\/|buildkit-blob-1-)(sha256:[0-9a-f]{64})/.exec(decodeURIComponent(url))?.[1];

for (const [name, backEnd] of Object.entries(BACK_ENDS))
  suite(`a build whose cache in ${name} fails makes the same image`, { skip: skipOf(backEnd) }, () => tests(backEnd));

function skipOf({ missing }: BackEnd): string | false {
  return buildsUnavailable() ?? missing() ?? false;
}

function tests(backEnd: BackEnd): void {
  const stack = new AsyncDisposableStack();
  const patient = { attempts: 5, idle: 60_000 };
  let host: string;
  let fixture: CacheFixture;
  const digests = new Map<string, string | undefined>();
  /** What a build asks a cache for that is as it should be. */
  let clean: readonly SeenRequest[];
  let layers: readonly string[];
  /** In a registry, the config is a blob that comes second. */
  let config: string | undefined;

  before(async () => {
    ({ host } = stack.use(await backEnd.start()));
    fixture = stack.use(await CacheFixture.open());
    for (const LAST of ["", "changed"]) digests.set(LAST, (await fixture.build({ buildArgs: { LAST } })).result.digest);
    await using proxy = await startFaultProxy({ upstream: host });
    const options = { registry: hasty(proxy.host, { timeouts: {} }) };
    const { type, attrs } = backEnd.cache(proxy.host, patient);
    const cacheTo = [{ type, attrs: { ...attrs, mode: "max" } }];
    await fixture.build({ buildArgs: { LAST: "" }, cacheTo }, options);
    const first = proxy.requests.length;
    const { hits, ran } = await fixture.build({ buildArgs: { LAST: "" }, cacheFrom: [{ type, attrs }] }, options);
    assert.deepEqual([hits.length, ran], [SMALL_STEPS, []]);
    clean = proxy.requests.slice(first);
    const blobs = new Set(clean.flatMap((request) => blobOf(request) ?? []));
    config = type === "registry" ? [...blobs][0] : undefined;
    layers = [...blobs].filter((blob) => blob !== config);
    assert.ok(layers.length > 2);
  });
  after(() => stack.disposeAsync());

  async function run({ name, fault, when, attempts = 1, last = "" }: Case, proxy: FaultProxy): Promise<Outcome> {
    const spoilt = new Set<string>();
    let number = 0;
    proxy.fault = (request) => {
      if (!when(request, (number += 1))) return undefined;
      const blob = blobOf(request);
      if (blob !== undefined && blob !== config) spoilt.add(blob);
      return fault;
    };
    const idle = fault.kind === "stall" ? 1_000 : 60_000;
    const retry = { attempts, first: 1, longest: 2, patience: 5 };
    const build = await fixture.build(
      { buildArgs: { LAST: last }, cacheFrom: [backEnd.cache(proxy.host, { attempts, idle })] },
      { registry: hasty(proxy.host, { timeouts: { idle }, retry }) },
    );
    assert.equal(build.result.digest, digests.get(last), name);
    // Control groups are named after the process, so that those of builds that still run are among them.
    assert.deepEqual({ ...build.left, cgroups: [] }, NOTHING_LEFT, name);
    return { ...build, name, spoilt, called: backEnd.called(proxy.host) };
  }

  async function runAll(all: readonly Case[]): Promise<Outcome[]> {
    const cases = sampled(all, backEnd.nth);
    const outcomes: Outcome[] = [];
    const open = cases.values();
    const work = async (): Promise<void> => {
      await using proxy = await startFaultProxy({ upstream: host });
      for (const one of open) outcomes.push(await run(one, proxy));
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
    assert.equal(outcomes.length, cases.length);
    assert.deepEqual(
      findLeftovers({ marks: [fixture.folder], stateDir: fixture.folder, pid: process.pid }).cgroups,
      [],
    );
    return outcomes;
  }

  /** One warning for each blob that was lost, which names it and the cache. */
  function assertTold({ name, spoilt, warnings, called }: Outcome): void {
    assert.equal(warnings.length > 0, spoilt.size > 0, `${name}: ${warnings.join("\n")}`);
    for (const warning of warnings) assert.ok(warning.includes(called), warning);
    const named = warnings.map((warning) => [...spoilt].find((blob) => warning.includes(blob)));
    assert.ok(!named.includes(undefined) && new Set(named).size === named.length, `${name}: ${warnings.join("\n")}`);
  }

  test("a blob, or the manifest, that cannot be had at all", async () => {
    const urls = clean.map(placeOf);
    const isCloud = backEnd !== BACK_ENDS["registry"];
    const cases = Object.entries(FAULTS).flatMap(([kind, fault]) =>
      urls.map((url, at): Case => ({ name: `${kind} of ${at}`, fault, when: (request) => placeOf(request) === url })),
    );
    for (const outcome of await runAll(cases)) {
      assertTold(outcome);
      assert.ok(outcome.ran.length > 0, outcome.name);
      const failed = outcome.events.some(
        (event) => event.kind === "vertex" && event.name.startsWith("importing") && event.error !== undefined,
      );
      // In a cloud, a document that does not exist is an empty cache.
      if (isCloud && outcome.name.startsWith("404")) continue;
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
}
