import assert from "node:assert/strict";
import { after, before, beforeEach, suite, test } from "node:test";
import { CacheFixture, SMALL_STEPS } from "../../testing/cache-fixture.ts";
import { GhaServer, ghaToken } from "../../testing/gha-server.ts";
import { cacheText } from "../../testing/object-caches.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import type { CacheSpec } from "../../src/engine/index.ts";

const NOWHERE = { outputs: [{ type: "cacheonly" }] } as const;
const OCI = { outputs: [{ type: "oci", dest: "/dev/null" }] } as const;
const MAIN = ghaToken([["refs/heads/main", 3]]);
/** Of a branch, which may read what its base has. */
const FEATURE = ghaToken([
  ["refs/heads/feat", 3],
  ["refs/heads/main", 1],
]);

suite("caches in GitHub Actions", { skip: buildsUnavailable() ?? false }, () => {
  const stack = new AsyncDisposableStack();
  let server: GhaServer;
  let fixture: CacheFixture;
  let root: string;
  before(async () => {
    server = stack.use(await GhaServer.start());
    fixture = stack.use(await CacheFixture.open());
    // Builds that export share a root: they do not run the steps again.
    root = fixture.newRoot();
  });
  after(() => stack.disposeAsync());
  beforeEach(() => {
    server.fault = () => undefined;
    server.entries.length = 0;
  });

  const cache = (more: Readonly<Record<string, string>> = {}): CacheSpec => ({
    type: "gha",
    attrs: { url: server.url, version: "2", token: MAIN, mode: "max", ...more },
  });
  const exported = async (more: Readonly<Record<string, string>> = {}, LAST = ""): ReturnType<CacheFixture["build"]> =>
    await fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheTo: [cache(more)] }, { root });
  const imported = async (more: Readonly<Record<string, string>> = {}, LAST = ""): ReturnType<CacheFixture["build"]> =>
    await fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheFrom: [cache(more)] });
  const keys = (): string[] => server.entries.map(({ key }) => key);
  const indexes = (): string[] => keys().filter((key) => key.startsWith("index-"));

  for (const version of ["1", "2"])
    test(`what one root exports, another takes every step from: version ${version}`, async () => {
      await exported({ version });
      assert.deepEqual(indexes(), ["index-buildkit-1-f921bd05#1"]);
      const from = server.requests.length;
      const { ran, hits, warnings } = await imported({ version });
      assert.deepEqual([ran, warnings, hits.length], [[], [], SMALL_STEPS]);
      assert.equal(server.requests.slice(from).filter(({ p }) => p.startsWith("/dl/")).length, 1, "the index only");
      const { ran: none } = await fixture.build({ ...OCI, buildArgs: { LAST: "" }, cacheFrom: [cache({ version })] });
      assert.deepEqual(none, []);
      await exported({ version });
      assert.deepEqual(indexes(), ["index-buildkit-1-f921bd05#1"], "the same again writes nothing");
    });

  test("a branch reads its own cache and that of its base, and writes its own", async () => {
    await exported();
    const { ran } = await imported({ token: FEATURE });
    assert.deepEqual(ran, []);
    await exported({ token: FEATURE }, "feature");
    assert.deepEqual(indexes(), ["index-buildkit-1-f921bd05#1", "index-buildkit-1-f8c49319#1"]);
    assert.deepEqual((await imported({ token: FEATURE }, "feature")).ran, []);
    assert.equal((await imported({}, "feature")).ran.length, 1);
    assert.deepEqual((await imported({ scope: "other" })).hits, []);
  });

  test("of writers at the same time, none loses its records", async () => {
    const writers = ["1", "2", "3", "4"];
    await Promise.all(writers.map((LAST) => exported({}, LAST)));
    assert.equal(new Set(indexes()).size, writers.length);
    for (const LAST of writers) assert.deepEqual((await imported({}, LAST)).ran, [], LAST);
  });

  test("an index that is not written is a failure; one that is refused is a warning", async () => {
    let uploads = 0;
    const last = server.entries;
    server.fault = ({ method, path }) => {
      const isIndex = last.at(-1)?.key.startsWith("index-") === true;
      return method === "PUT" && path.startsWith("/up/") && isIndex && (uploads += 1) > 0 ? { status: 403 } : undefined;
    };
    await assert.rejects(exported({ "ignore-error": "false" }), { message: /write cache entry index-buildkit/ });
    assert.ok(uploads > 0);
    server.entries.length = 0;
    const { warnings } = await exported();
    assert.match(warnings.join("\n"), /not exported to gha:\/\/buildkit.*write cache entry index-/);
    server.entries.length = 0;
    server.fault = ({ path }) =>
      path.endsWith("CreateCacheEntry")
        ? { status: 200, body: '{"ok":false,"message":"the store is full"}' }
        : undefined;
    const full = await exported({ "ignore-error": "false" });
    assert.match(full.warnings.join("\n"), /does not save .*the store is full/);
  });

  test("a blob that is gone, is another, or was never finished is a miss with a reason: the step runs", async () => {
    for (const spoil of ["gone", "flipped", "unfinished"]) {
      server.entries.length = 0;
      await exported();
      for (const entry of server.entries.filter(({ key }) => key.startsWith("buildkit-blob-"))) {
        if (spoil === "gone") server.entries.splice(server.entries.indexOf(entry), 1);
        else if (spoil === "unfinished") entry.content = undefined;
        else entry.content?.writeUInt8(entry.content.readUInt8(12) ^ 1, 12);
      }
      const { ran, warnings } = await fixture.build({ ...OCI, buildArgs: { LAST: "" }, cacheFrom: [cache()] });
      assert.ok(ran.length > 0, spoil);
      assert.match(warnings.join("\n"), /blob sha256:[0-9a-f]{64}/, spoil);
    }
  });

  test("with a token for the repository, blobs are listed and not looked up one by one", async () => {
    const access = { repository: "owner/repo", ghtoken: "a-token-for-the-repository" };
    const before = { ...process.env };
    process.env["GITHUB_API_URL"] = server.url;
    const lookups = (from: number): number =>
      server.requests.slice(from).filter(({ b = "" }) => /"key":"buildkit-blob-.*restore_keys/.test(b)).length;
    try {
      await exported(access);
      const from = server.requests.length;
      await exported(access, "more");
      const few = lookups(from);
      assert.ok(few <= 1, "at most the notes of the existing document");
      server.fault = ({ path }) => (path.startsWith("/repos/") ? { status: 403, body: '{"message":"no"}' } : undefined);
      const { warnings } = await exported(access, "again");
      assert.ok(lookups(from) > few + SMALL_STEPS / 2);
      assert.match(warnings.join("\n"), /looked up by itself.*403/);
    } finally {
      process.env = before;
    }
  });

  test("wrong attributes are errors before the build; a token that has ended is one if asked", async () => {
    for (const [more, message] of [
      [{ version: "x" }, /failed to parse api version "x", expected positive integer/],
      [{ token: "" }, /token not set for github actions cache/],
      [{ token: "no.token" }, /token is malformed/],
      [{ url: "", version: "1" }, /url not set for github actions cache/],
      [{ scope: "a,b" }, /scope/],
    ] as const)
      await assert.rejects(exported(more), { code: "invalid-argument", message });
    const ended = { token: ghaToken([["refs/heads/main", 3]], { expires: 1_000_000_000_000 }) };
    await assert.rejects(exported({ ...ended, "ignore-error": "false" }), { message: /cache token expired at/ });
    const { warnings } = await exported(ended);
    assert.match(warnings.join("\n"), /cache token expired at/);
    const readOnly = { token: ghaToken([["refs/heads/main", 1]]) };
    assert.match((await exported(readOnly)).warnings.join("\n"), /allows no scope to write/);
  });

  test("the commands find the service in the environment of the job, and leave the cache out elsewhere", async () => {
    await using varve = await Varve.open();
    const access = { repository: "owner/repo", ghtoken: "a-token-for-the-repository" };
    const place = cacheText({ type: "gha", attrs: { ...access, mode: "max" } });
    const env = {
      ACTIONS_RESULTS_URL: server.url,
      ACTIONS_CACHE_SERVICE_V2: "true",
      ACTIONS_RUNTIME_TOKEN: MAIN,
      GITHUB_API_URL: server.url,
    };
    const build = (LAST: string): string[] => [
      "--network=none",
      `--build-arg=LAST=${LAST}`,
      "-o",
      "type=cacheonly",
      fixture.context,
    ];
    for (const LAST of ["1", "2"]) await varve.build(["--cache-to", place, ...build(LAST)], { env });
    const succeed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await varve.run(args, { env });
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const listed = JSON.parse(await succeed("cache", "ls", "--format=json", place)) as { scopes: unknown[] };
    assert.equal(listed.scopes.length, 2);
    await succeed("cache", "prune", "--target", place);
    assert.deepEqual(indexes(), ["index-buildkit-1-f921bd05#2"]);
    await succeed("cache", "export", "--to", place);
    await using other = await Varve.open();
    const taken = await other.run(["cache", "import", "--fetch", place], { env });
    assert.equal(taken.code, 0, taken.stderr);
    const outside = await other.build(["--cache-from", place, "--cache-to", place, ...build("2")], {
      env: { ACTIONS_RESULTS_URL: "", ACTIONS_RUNTIME_TOKEN: "" },
    });
    assert.ok(outside.steps.length > 0 && outside.steps.every(({ status }) => status !== "run"));
    assert.match(outside.stderr, /The cache of GitHub Actions is left out/);
  });
});
