import assert from "node:assert/strict";
import { after, before, beforeEach, suite, test } from "node:test";
import { CacheFixture, SMALL_STEPS } from "../../testing/cache-fixture.ts";
import { type FaultProxy, startFaultProxy } from "../../testing/fault-proxy.ts";
import { OBJECT_BACK_ENDS, type ObjectBackEnd, type ObjectServer, cacheText } from "../../testing/object-caches.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import type { CacheSpec } from "../../src/engine/index.ts";

const NOWHERE = { outputs: [{ type: "cacheonly" }] } as const;
const OCI = { outputs: [{ type: "oci", dest: "/dev/null" }] } as const;
const WRITERS = 20;

for (const backEnd of OBJECT_BACK_ENDS)
  suite(`caches in ${backEnd.type}`, { skip: skipOf(backEnd) }, () => tests(backEnd));

function skipOf({ missing }: ObjectBackEnd): string | false {
  return buildsUnavailable() ?? missing() ?? false;
}

function tests({
  type,
  start,
  attributes: attributesOf,
  keys,
  environment,
  wrong,
  refused,
  notFound,
}: ObjectBackEnd): void {
  const stack = new AsyncDisposableStack();
  let server: ObjectServer;
  let proxy: FaultProxy;
  let fixture: CacheFixture;
  let number = 0;
  let prefix: string;
  before(async () => {
    server = stack.use(await start());
    proxy = stack.use(await startFaultProxy({ upstream: server.host }));
    fixture = stack.use(await CacheFixture.open());
  });
  after(() => stack.disposeAsync());
  beforeEach(() => {
    proxy.fault = () => undefined;
    prefix = `t${(number += 1)}`;
  });

  const cache = (more: Readonly<Record<string, string>> = {}, host = proxy.host): CacheSpec => ({
    type,
    attrs: { ...attributesOf(host, prefix), mode: "max", retry_max_attempts: "1", ...more },
  });
  const withoutKeys = Object.fromEntries(keys.map((key) => [key, ""]));
  /** The keys of objects in requests with a method, without the prefix. */
  const objects = (method: string, from = 0): string[] =>
    proxy.requests.slice(from).flatMap(({ method: own, url }) => {
      const [, key] = decodeURIComponent(url).split("?")[0]?.split(`/${prefix}/`) ?? [];
      return own === method && key !== undefined ? [key] : [];
    });

  test("what one root exports, another takes every step from; and nothing that it does not read", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [cache()] });
    assert.deepEqual(
      objects("PUT")
        .filter((key) => !key.startsWith("blobs/sha256:"))
        .slice(-1),
      ["manifests/buildkit"],
    );
    const from = proxy.requests.length;
    const { ran, hits, warnings } = await fixture.build({ ...NOWHERE, cacheFrom: [cache()] });
    assert.deepEqual([ran, warnings], [[], []]);
    assert.equal(hits.length, SMALL_STEPS);
    assert.deepEqual(objects("GET", from), ["manifests/buildkit"]);
  });

  test("layers are fetched when they are needed, by a later build too, with the keys of the machine", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [cache()] });
    const root = fixture.newRoot();
    await fixture.build({ ...NOWHERE, cacheFrom: [cache()] }, { root });
    const before = { ...process.env };
    Object.assign(process.env, environment);
    try {
      const from = proxy.requests.length;
      const { ran } = await fixture.build({ ...OCI }, { root });
      assert.deepEqual(ran, []);
      assert.ok(objects("GET", from).every((key) => key.startsWith("blobs/sha256:")));
    } finally {
      process.env = before;
    }
  });

  test("a second export of the same sends nothing; old blobs are touched", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [cache()] });
    const again = proxy.requests.length;
    await fixture.build({ ...NOWHERE, cacheTo: [cache()], cacheFrom: [cache()] });
    assert.deepEqual(objects("PUT", again), []);
    const touching = proxy.requests.length;
    // s3rver rounds times down to seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await fixture.build({ ...NOWHERE, cacheTo: [cache({ touch_refresh: "1ms" })], cacheFrom: [cache()] });
    const touched = objects("PUT", touching);
    assert.ok(touched.length > 0 && touched.every((key) => key.startsWith("blobs/")));
    assert.ok(proxy.requests.slice(touching).every(({ headers }) => Number(headers["content-length"] ?? 0) === 0));
  });

  test("exports keep each other's records, and all names are written", async () => {
    await fixture.build({ ...NOWHERE, buildArgs: { LAST: "1" }, cacheTo: [cache({ scope: "one", name: "a;b" })] });
    await fixture.build({ ...NOWHERE, buildArgs: { LAST: "2" }, cacheTo: [cache({ scope: "two", name: "a" })] });
    for (const [LAST, name] of [
      ["1", "a"],
      ["2", "a"],
      ["1", "b;a"],
    ] as const) {
      const { ran } = await fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheFrom: [cache({ name })] });
      assert.deepEqual(ran, [], `${LAST} of ${name}`);
    }
    // Of several names, S3 reads the first, as BuildKit does, and Azure all.
    const { ran } = await fixture.build({ ...NOWHERE, buildArgs: { LAST: "2" }, cacheFrom: [cache({ name: "b;a" })] });
    assert.equal(ran.length, type === "s3" ? 1 : 0);
  });

  test("of 20 writers at the same time, none loses its records", async () => {
    const writers = Array.from({ length: WRITERS }, (_, at) => String(at));
    const root = fixture.newRoot();
    const patient = { retry_max_attempts: "5" };
    await fixture.build({ ...NOWHERE, cacheTo: [cache({ mode: "min" })] }, { root });
    const built = await Promise.all(
      writers.map((LAST) =>
        fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheTo: [cache({ scope: LAST, ...patient })] }, { root }),
      ),
    );
    assert.deepEqual(
      built.flatMap(({ warnings }) => warnings),
      [],
    );
    const reader = fixture.newRoot();
    for (const LAST of writers) {
      const { ran, events } = await fixture.build(
        { ...NOWHERE, buildArgs: { LAST }, cacheFrom: [cache(patient)] },
        { root: reader },
      );
      const errors = events.flatMap((event) => (event.kind === "vertex" ? (event.error ?? []) : []));
      assert.deepEqual([ran, errors], [[], []], LAST);
    }
  });

  test("of writers to a store that ignores conditions, none loses its records", { skip: type !== "s3" }, async () => {
    await using ignoring = await start({ conditions: "ignored" });
    const writers = ["1", "2", "3"];
    await Promise.all(
      writers.map((LAST) =>
        fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheTo: [cache({ scope: LAST }, ignoring.host)] }),
      ),
    );
    for (const LAST of writers) {
      const { ran } = await fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheFrom: [cache({}, ignoring.host)] });
      assert.deepEqual(ran, [], LAST);
    }
  });

  test("a blob that is gone, or is another, is a miss: the step runs", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [cache()] });
    proxy.fault = ({ method, url }) =>
      method === "GET" && url.includes("/blobs/") ? { kind: "status", status: 404, body: notFound } : undefined;
    const gone = await fixture.build({ ...OCI, cacheFrom: [cache()] });
    assert.ok(gone.ran.length > 0);
    proxy.fault = ({ method, url }) => (method === "GET" && url.includes("/blobs/") ? { kind: "corrupt" } : undefined);
    const wrong = await fixture.build({ ...OCI, cacheFrom: [cache()] });
    assert.ok(wrong.ran.length > 0);
    for (const { warnings } of [gone, wrong]) assert.match(warnings.join("\n"), /blob sha256:[0-9a-f]{64}/);
  });

  test("a cache that cannot be read is empty; only a missing document is silent", async () => {
    const missing = await fixture.build({ ...NOWHERE, cacheFrom: [cache()] });
    assert.deepEqual([missing.ran.length, missing.warnings], [SMALL_STEPS, []]);
    await using varve = await Varve.open();
    const build = ["--network=none", "-o", "type=cacheonly", fixture.context];
    for (const [more, message] of refused) {
      const { stderr } = await varve.build(["--no-cache", "--cache-from", cacheText(cache(more)), ...build]);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /wrong-secret|d3Jvbmct/);
    }
  });

  test("wrong attributes are errors before the build; a store that refuses fails it only if asked", async () => {
    for (const [more, message] of wrong)
      await assert.rejects(fixture.build({ ...NOWHERE, cacheTo: [cache(more)] }), {
        code: "invalid-argument",
        message,
      });
    for (const [more] of refused) {
      const failing = { ...NOWHERE, cacheTo: [cache({ ...more, "ignore-error": "false" })] };
      await assert.rejects(fixture.build(failing), { message: /answered 40[34]|ECONNREFUSED/ });
    }
    const [[more]] = refused;
    const { warnings } = await fixture.build({ ...NOWHERE, cacheTo: [cache(more)] });
    assert.match(warnings.join("\n"), /the cache was not exported to (?:s3|azblob):\/\//);
  });

  test("the commands list, export, import and prune", async () => {
    await using varve = await Varve.open();
    const ownKeys = { env: { ...environment } };
    const place = cacheText(cache(withoutKeys));
    const succeed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await varve.run(args, ownKeys);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    for (const LAST of ["1", "2"]) {
      const made = ["--network=none", "--build-arg", `LAST=${LAST}`, "-o", "type=cacheonly", fixture.context];
      await varve.build(["--cache-to", `${place},scope=s`, ...made], ownKeys);
    }
    const listed = JSON.parse(await succeed("cache", "ls", "--format=json", place)) as { scopes: unknown[] };
    assert.equal(listed.scopes.length, 2);
    const pruned = JSON.parse(await succeed("cache", "prune", "--target", place, "--format=json")) as {
      generations: number;
    };
    assert.equal(pruned.generations, 1);
    await succeed("cache", "export", "--to", place);
    await using other = await Varve.open();
    const imported = await other.run(["cache", "import", "--fetch", place], ownKeys);
    assert.equal(imported.code, 0, imported.stderr);
    const { steps } = await other.build([
      "--network=none",
      "--build-arg",
      "LAST=2",
      "-o",
      "type=cacheonly",
      fixture.context,
    ]);
    assert.ok(steps.length > 0 && steps.every(({ status }) => status !== "run"));
  });
}
