import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, suite, test } from "node:test";
import { GhaServer, ghaToken } from "../../../testing/gha-server.ts";
import { VarveError } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import { type ActionsCache, type ActionsCacheOptions, objectBody, openActionsCache } from "../index.ts";
import { Throttle } from "../throttle.ts";
import { checkCacheToken, readCacheToken } from "./token.ts";

interface Logged {
  readonly m: string;
  readonly p: string;
  readonly h: Readonly<Record<string, string>>;
  readonly len: number;
  readonly b?: string;
  readonly c: number;
}

/** What BuildKit sent to a stand-in of the service. */
const WIRE = JSON.parse(readFileSync("testing/fixtures/remotecache/gha-wire.json", "utf8")) as { requests: Logged[] };
const BLOB = "buildkit-blob-1-sha256:87234528a9e1637fd001eda2eb4728b7024dfb9dcf5efce9cb9f39b14ed1dce5";
const INDEX = "index-sc2-1-f8c49319#";
const NOW = {};

/** What is compared of a request: signed URLs are the server's own. */
function essence({ m, p, h, len, b }: Logged): object {
  const headers = Object.fromEntries(Object.entries(h).map(([name, value]) => [name.toLowerCase(), value]));
  const isTransfer = /^\/(?:up|dl)\//.test(p);
  if (isTransfer) delete headers["accept"];
  return { m, p: isTransfer ? p.slice(0, 4) : p, headers, len, b: len < 1000 && !isTransfer ? b : undefined };
}

suite("the cache service of GitHub Actions", () => {
  const stack = new AsyncDisposableStack();
  let server: GhaServer;
  before(async () => {
    server = stack.use(await GhaServer.start());
  });
  after(() => stack.disposeAsync());
  beforeEach(() => {
    server.fault = () => undefined;
    server.entries.length = 0;
    server.expired = 0;
  });

  const open = (options: Partial<ActionsCacheOptions> = {}): ActionsCache =>
    stack.use(openActionsCache({ version: 2, url: server.url, token: ghaToken(), env: {}, ...options }));
  const text = async (cache: ActionsCache, key: string): Promise<string | undefined> => {
    const opened = await cache.open(key, NOW);
    return opened && (await collect(opened.bytes, 100_000_000, { what: key })).toString("latin1");
  };
  const both = [1, 2] as const;

  test("requests are those of BuildKit", async () => {
    const logged = (part: RegExp, count: number): object[] => {
      const from = WIRE.requests.findIndex(({ m, p, b = "", c }) => part.test(`${m} ${p} ${b}`) && c !== 429);
      return WIRE.requests.slice(from, from + count).map(essence);
    };
    const sent = async (run: () => Promise<unknown>): Promise<object[]> => {
      const from = server.requests.length;
      await run();
      return server.requests.slice(from).map(essence);
    };
    const [one, two] = both.map((version) => open({ version }));
    assert.ok(one && two);
    const [small, large] = [objectBody(Buffer.alloc(105)), objectBody(Buffer.alloc(1566))];
    assert.deepEqual(await sent(() => one.find(BLOB, NOW)), logged(/GET .*keys=buildkit-blob/, 1));
    assert.deepEqual(await sent(() => one.write(BLOB, small, NOW)), logged(/POST .*\/caches .*87234528/, 3));
    assert.deepEqual(await sent(() => two.find(BLOB, NOW)), logged(/GetCacheEntryDownloadURL .*87234528/, 1));
    assert.deepEqual(
      await sent(() => two.find(INDEX, NOW)),
      logged(/GetCacheEntryDownloadURL .*index-sc2-1-f8c49319#"/, 1),
    );
    assert.deepEqual(await sent(() => two.write(`${INDEX}1`, large, NOW)), logged(/CreateCacheEntry/, 3));
    const [, read] = await sent(() => two.newest(INDEX, NOW));
    assert.deepEqual(read, logged(/GET \/dl\/index-sc2-1-f8c49319%232/, 1)[0]);
  });

  for (const version of both)
    test(`entries are written once, found by prefix, and read: version ${version}`, async () => {
      const cache = open({ version });
      assert.equal(await cache.find("x", NOW), undefined);
      assert.equal(await text(cache, "x"), undefined);
      const large = Buffer.alloc(33_000_000, "of three parts ");
      assert.deepEqual(await cache.write("x", objectBody(Buffer.from("one")), NOW), { kind: "written" });
      assert.deepEqual(await cache.write("x", objectBody(Buffer.from("two")), NOW), { kind: "taken" });
      assert.deepEqual(await cache.write("large", objectBody(large), NOW), { kind: "written" });
      assert.equal(await text(cache, "x"), "one");
      assert.equal(await text(cache, "large"), large.toString("latin1"));
      for (const number of [1, 2, 10]) await cache.write(`i#${number}`, objectBody(Buffer.from(`v${number}`)), NOW);
      assert.equal(await cache.find("i#", NOW), "i#10");
      assert.equal((await cache.newest("i#", NOW))?.key, "i#10");
      assert.equal(await text(cache, "i"), undefined, "the key is another");
    });

  test("scopes are searched in their order; the last that may be written is written", async () => {
    const main = open({ token: ghaToken([["refs/heads/main", 3]]) });
    await main.write("x", objectBody(Buffer.from("main")), NOW);
    const pull = open({
      token: ghaToken([
        ["refs/pull/1/merge", 3],
        ["refs/heads/main", 1],
      ]),
    });
    assert.equal(await text(pull, "x"), "main");
    assert.equal((await pull.write("x", objectBody(Buffer.from("pull")), NOW)).kind, "written");
    assert.equal(await text(pull, "x"), "pull");
    assert.equal(await text(main, "x"), "main");
  });

  test("a service that does not save refuses, with its words", async () => {
    for (const [version, fault, why] of [
      [1, { status: 400, body: '\uFEFF{"message":"cache quota exceeded","typeKey":"X"}' }, /quota/],
      [2, { status: 403, body: '{"code":"permission_denied","msg":"cache write denied: mode"}' }, /write denied/],
      [2, { status: 200, body: '{"ok":false,"message":"the store is full"}' }, /full/],
    ] as const) {
      server.fault = () => fault;
      const written = await open({ version }).write("x", objectBody(Buffer.from("1")), NOW);
      assert.match(written.kind === "refused" ? written.why : assert.fail(written.kind), why);
    }
  });

  test("what fails after an entry was reserved is an error", async () => {
    for (const [version, part] of [
      [1, /PATCH/],
      [1, /POST .*\/caches\//],
      [2, /PUT/],
      [2, /Finalize/],
    ] as const) {
      server.fault = ({ method, path }) => (part.test(`${method} ${path}`) ? { status: 400 } : undefined);
      await assert.rejects(open({ version }).write(`${version} ${part.source}`, objectBody(Buffer.from("1")), NOW), {
        code: "remote",
      });
    }
  });

  test("throttled requests wait as long as they are asked to; errors of the server are retried", async () => {
    let faults = 0;
    server.fault = () => ((faults += 1) <= 7 ? { status: 429, headers: { "retry-after": "0" } } : undefined);
    assert.equal(await open().find("x", NOW), undefined);
    assert.equal(faults, 8);
    faults = 0;
    server.fault = () => ((faults += 1) <= 3 ? { status: 502, headers: { "retry-after": "0" } } : undefined);
    assert.equal(await open().find("x", NOW), undefined);
    server.fault = () => ({ status: 429, headers: { "retry-after": "900" } });
    await assert.rejects(open().find("x", NOW), { message: /429.*requested delay 900s exceeds maximum timeout/ });
    server.fault = () => ({ status: 429 });
    await assert.rejects(open({ patience: 500 }).find("x", NOW), { message: /maximum timeout reached/ });
  });

  test("back-off doubles, and starts anew after a success", () => {
    const throttle = new Throttle(1_000_000);
    const error = new VarveError("remote", "throttled");
    const request = throttle.request();
    assert.deepEqual(
      [1, 2, 3].map(() => request.refused(error, undefined)),
      [1000, 2000, 4000],
    );
    throttle.succeeded();
    assert.equal(request.refused(error, undefined), 1000);
    assert.equal(request.refused(error, 3), 3);
  });

  test("a download URL that has ended is replaced once", async () => {
    const cache = open();
    await cache.write("x", objectBody(Buffer.from("content")), NOW);
    await cache.find("x", NOW);
    server.expired = 3;
    assert.equal(await text(cache, "x"), "content");
    server.expired = Infinity;
    await assert.rejects(text(cache, "x"), { code: "unauthorized" });
  });

  test("the entries of a repository are listed by pages, and deleted", async () => {
    const access = { name: "owner/repo", token: "a-token-for-the-repository" };
    const cache = open({ repository: access, env: { GITHUB_API_URL: server.url } });
    const keys = Array.from({ length: 120 }, (_, at) => `e${at}`);
    for (const key of [...keys, "other"]) await cache.write(key, objectBody(Buffer.from(key)), NOW);
    const { entries } = cache;
    assert.ok(entries);
    const listed = await Array.fromAsync(entries.list("e", "refs/heads/feat", NOW));
    assert.deepEqual(
      listed.map(({ key }) => key),
      keys,
    );
    await entries.delete(listed[0] ?? assert.fail(), NOW);
    assert.equal(await cache.find("e0", NOW), undefined);
    assert.throws(() => open({ repository: { name: "../x", token: "t" } }), { code: "invalid-argument" });
  });

  test("answers that lead elsewhere are refused, and messages contain no token", async () => {
    const token = ghaToken();
    for (const signed of ["file:///etc/passwd", "http://u:p@x/", "nothing", undefined]) {
      const body = JSON.stringify({ ok: true, matched_key: "x", signed_download_url: signed });
      server.fault = () => ({ status: 200, body });
      await assert.rejects(open().open("x", NOW), { code: "remote", message: /no usable URL/ });
    }
    server.fault = () => ({ status: 401, body: JSON.stringify({ code: "unauthenticated", msg: `bad ${token}` }) });
    await assert.rejects(open({ token }).find("x", NOW), (error: Error) => {
      assert.match(error.message, /401 \(unauthenticated: bad \*\*\*/);
      return true;
    });
    for (const wrong of ["", "x", "ftp://x"]) assert.throws(() => open({ url: wrong }), { code: "invalid-argument" });
  });
});

test("tokens are read and checked", () => {
  const { scopes } = readCacheToken(
    ghaToken([
      ["refs/heads/feat", 3],
      ["refs/heads/main", 1],
    ]),
  );
  assert.deepEqual(scopes, [
    { scope: "refs/heads/feat", canWrite: true },
    { scope: "refs/heads/main", canWrite: false },
  ]);
  for (const wrong of ["", "a.b", "a.b.c", `a.${Buffer.from("[]").toString("base64url")}.c`, "x".repeat(70_000)])
    assert.throws(() => readCacheToken(wrong), { code: "invalid-argument", message: /token is malformed/ });
  const ended = readCacheToken(ghaToken([], { expires: 1_000_000_000_000 }));
  assert.throws(() => checkCacheToken(ended), { message: /cache token expired at 2001-09-09T01:46:40/ });
});
