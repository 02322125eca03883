import assert from "node:assert/strict";
import { lstat, readFile, readdir } from "node:fs/promises";
import { fetchUrl } from "./fetch-url.ts";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { type TemporaryRecords, recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { digestOf, isVarveError } from "../core/index.ts";
import type { Wait } from "../io/index.ts";
import { type DownloadRequest, HttpSource } from "./http.ts";

interface Server extends AsyncDisposable {
  readonly url: string;
  /** `METHOD path if-none-match`, as they came. */
  readonly requests: string[];
}

async function serve(listener: RequestListener): Promise<Server> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push([request.method, request.url, request.headers["if-none-match"]].filter(Boolean).join(" "));
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Fetched {
  readonly names: string[];
  readonly text: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtimeMs: number;
}

async function fetched(fixture: TemporaryRecords, source: HttpSource, request: DownloadRequest): Promise<Fetched> {
  const resolved = await source.resolve(request, fixture.hold);
  const id = await source.record(resolved, fixture.hold);
  await using tree = await fixture.records.mount(id, fixture.hold);
  const names = await readdir(tree.path);
  const file = join(tree.path, names[0] ?? "");
  const { mode, uid, mtimeMs } = await lstat(file);
  return { names, text: await readFile(file, "utf8"), mode: mode & 0o7777, uid, mtimeMs };
}

const skip = recordsMissing() ?? false;

test("what the client uploads is not asked of a server", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((_request, response) => response.end("downloaded"));
  const upload = (url: string): Readable | undefined =>
    url === "http://uploads/a" ? Readable.from([Buffer.from("up"), Buffer.from("loaded")]) : undefined;
  const source = new HttpSource({ ...fixture, upload });
  const made = await fetched(fixture, source, { url: "http://uploads/a", filename: "context" });
  assert.deepEqual([made.names, made.text, made.mtimeMs], [["context"], "uploaded", 0]);
  assert.equal((await fetched(fixture, source, { url: `${server.url}/a` })).text, "downloaded");
});

test("a file gets the owner, mode and time that are asked for", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((_request, response) => {
    response.setHeader("last-modified", "Tue, 01 Feb 2022 03:04:05 GMT");
    response.end("hello");
  });
  const source = new HttpSource(fixture);
  const url = `${server.url}/a/file.txt`;
  assert.deepEqual(await fetched(fixture, source, { url, mode: 0o644, uid: 7 }), {
    names: ["file.txt"],
    text: "hello",
    mode: 0o644,
    uid: 7,
    mtimeMs: Date.UTC(2022, 1, 1, 3, 4, 5),
  });
  const plain = await fetched(fixture, source, { url, filename: "other" });
  assert.deepEqual([plain.names, plain.mode, plain.uid], [["other"], 0o600, 0]);
  assert.deepEqual(server.requests, ["GET /a/file.txt"], "asked once a build");
});

test("a later build asks whether the file has changed, and needs no bytes if not", { skip }, async () => {
  await using fixture = await temporaryRecords();
  let version = 1;
  await using server = await serve((request, response) => {
    response.setHeader("etag", `"v${version}"`);
    if (request.headers["if-none-match"] === `"v${version}"`) response.writeHead(304).end();
    else response.end(`version ${version}`);
  });
  const request = { url: `${server.url}/f` };
  assert.equal((await fetched(fixture, new HttpSource(fixture), request)).text, "version 1");
  assert.equal((await fetched(fixture, new HttpSource(fixture), request)).text, "version 1");
  version = 2;
  assert.equal((await fetched(fixture, new HttpSource(fixture), request)).text, "version 2");
  assert.deepEqual(server.requests, ["GET /f", 'HEAD /f "v1"', 'HEAD /f "v1"', 'GET /f "v1"']);

  const source = new HttpSource(fixture);
  const unchanged = await source.resolve(request, fixture.hold);
  await fixture.content.delete(unchanged.checksum);
  assert.ok(await source.record(unchanged, fixture.hold), "bytes that were collected are fetched when they are needed");
  assert.deepEqual(server.requests.slice(4), ['HEAD /f "v2"', "GET /f"]);
});

test("a build asks anew about a file with another name or mode; one build asks once", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((_request, response) => void response.setHeader("etag", '"v"').end("x"));
  const url = `${server.url}/f`;
  for (const options of [{}, { filename: "g" }, { mode: 0o700 }])
    await fetched(fixture, new HttpSource(fixture), { url, ...options });
  assert.deepEqual(server.requests, ["GET /f", "GET /f", "GET /f"]);
  const source = new HttpSource(fixture);
  for (const options of [{}, { mode: 0o644 }]) await fetched(fixture, source, { url, ...options });
  assert.deepEqual(server.requests.slice(3), ['HEAD /f "v"']);
});

test("what other headers get is another file", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((request, response) => {
    response.setHeader("etag", `"${request.headers.accept}"`);
    response.end(`for ${request.headers.accept}`);
  });
  const source = new HttpSource(fixture);
  const url = `${server.url}/f`;
  for (const accept of ["a/a", "b/b"])
    assert.equal((await fetched(fixture, source, { url, headers: { accept } })).text, `for ${accept}`);
  await source.resolve({ url, headers: { accept: "a/a", authorization: "x" } }, fixture.hold);
  assert.deepEqual(server.requests, ["GET /f", "GET /f", 'HEAD /f "a/a"'], "other credentials may not be let in");
});

test("a server that does not support HEAD is asked with a conditional GET", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((request, response) => {
    if (request.method === "HEAD") response.writeHead(405).end();
    else if (request.headers["if-none-match"] === 'W/"1"') response.writeHead(304).end();
    else response.setHeader("etag", 'W/"1"').end("text");
  });
  const request = { url: `${server.url}/f` };
  assert.equal((await fetched(fixture, new HttpSource(fixture), request)).text, "text");
  assert.equal((await fetched(fixture, new HttpSource(fixture), request)).text, "text");
  assert.deepEqual(server.requests, ["GET /f", 'HEAD /f W/"1"', 'GET /f W/"1"']);
});

test("a file with a known digest is downloaded only when it is needed, and verified", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((_request, response) => void response.end("content"));
  const source = new HttpSource(fixture);
  const good = await source.resolve({ url: `${server.url}/f`, checksum: digestOf("content") }, fixture.hold);
  const bad = await source.resolve({ url: `${server.url}/g`, checksum: digestOf("else") }, fixture.hold);
  assert.deepEqual(server.requests, []);
  assert.ok(await source.record(good, fixture.hold));
  await assert.rejects(source.record(bad, fixture.hold), (error) => isVarveError(error, "corrupt"));
});

test("a redirect is followed, and the name stays that of what was asked for", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((request, response) => {
    if (request.url === "/latest") response.writeHead(302, { location: "/v1/tool.tar" }).end();
    else if (request.url === "/loop") response.writeHead(302, { location: "/loop" }).end();
    else response.end("tool");
  });
  const source = new HttpSource(fixture);
  assert.deepEqual((await fetched(fixture, source, { url: `${server.url}/latest` })).names, ["latest"]);
  await assert.rejects(source.resolve({ url: `${server.url}/loop` }, fixture.hold), (error) =>
    isVarveError(error, "remote"),
  );
});

test("concurrent requests share a download; headers are sent", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const seen: (string | undefined)[] = [];
  await using server = await serve((request, response) => {
    seen.push(request.headers.authorization);
    setTimeout(() => response.end("shared"), 20);
  });
  const source = new HttpSource(fixture);
  const request = { url: `${server.url}/f`, headers: { authorization: "Bearer x" } };
  const all = await Promise.all(Array.from({ length: 20 }, () => source.resolve(request, fixture.hold)));
  assert.equal(new Set(all.map((one) => one.checksum)).size, 1);
  assert.deepEqual(seen, ["Bearer x"]);
});

test("a user in the URL is sent as Basic credentials, and to no other server", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const seen: (string | undefined)[] = [];
  await using elsewhere = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end("text");
  });
  await using server = await serve((request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === "/away") response.writeHead(302, { location: `${elsewhere.url}/f` }).end();
    else if (request.headers.authorization === undefined) response.writeHead(401).end();
    else response.end("text");
  });
  const source = new HttpSource(fixture);
  const named = server.url.replace("://", "://me:p%40ss%2Fword@");
  const basic = `Basic ${Buffer.from("me:p@ss/word").toString("base64")}`;
  assert.equal((await fetched(fixture, source, { url: `${named}/f` })).text, "text");
  assert.equal((await fetched(fixture, source, { url: `${named}/away` })).text, "text");
  assert.deepEqual(seen, [basic, basic, undefined]);
  await assert.rejects(source.resolve({ url: `${server.url.replace("://", "://:@")}/f` }, fixture.hold), (error) =>
    isVarveError(error, "unauthorized"),
  );
});

test("failures say what went wrong, and leave nothing", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using server = await serve((request, response) => {
    if (request.url === "/404") response.writeHead(404).end("no");
    else if (request.url === "/401") response.writeHead(401).end();
    else if (request.url === "/500") response.writeHead(500).end();
    else if (request.url === "/cut")
      response.writeHead(200, { "content-length": "100" }).write("part", () => response.destroy());
    else if (request.url === "/big") response.end("x".repeat(1000));
    else response.write("never ends");
  });
  const source = new HttpSource({ ...fixture, limit: 999 });
  const failing = async (path: string, code: Parameters<typeof isVarveError>[1]): Promise<void> => {
    await assert.rejects(
      source.resolve({ url: server.url + path }, fixture.hold),
      (error) => isVarveError(error, code),
      path,
    );
  };
  await failing("/404", "not-found");
  await failing("/401", "unauthorized");
  await failing("/500", "remote");
  await failing("/cut", "remote");
  await failing("/big", "limit-exceeded");
  await assert.rejects(source.resolve({ url: "http://127.0.0.1:1/x" }, fixture.hold), (error) =>
    isVarveError(error, "remote"),
  );
  await assert.rejects(source.resolve({ url: server.url, filename: "../x" }, fixture.hold), (error) =>
    isVarveError(error, "invalid-argument"),
  );
  const signal = AbortSignal.timeout(50);
  await assert.rejects(source.resolve({ url: `${server.url}/slow` }, { ...fixture.hold, signal }), (error) =>
    isVarveError(error, "cancelled"),
  );
  assert.deepEqual([...fixture.content.walk()], []);
});

test("a server that sends nothing, or stops in the middle, is given up", async () => {
  await using server = await serve((request, response) => {
    if (request.url === "/half") response.write("half");
  });
  await assert.rejects(fetchUrl(`${server.url}/silent`, { idle: 50 }), { code: "remote", message: /sent nothing for/ });
  const response = await fetchUrl(`${server.url}/half`, { idle: 200 });
  await assert.rejects(response.text(), { code: "remote", message: /sent nothing for/ });
});

test("waiting for a server is reported, before it answers and in the middle", { skip }, async () => {
  await using server = await serve((request, response) => {
    if (request.url === "/half") response.write("half");
  });
  await using fixture = await temporaryRecords();
  const source = new HttpSource({ ...fixture, quiet: { idle: 200, notice: 20 } });
  for (const path of ["/silent", "/half"]) {
    const waits: Wait[] = [];
    const hold = { ...fixture.hold, onWait: (wait: Wait) => void waits.push(wait) };
    await assert.rejects(source.resolve({ url: `${server.url}${path}` }, hold), { code: "remote" });
    const { state, host, attempts } = waits[0] ?? {};
    assert.deepEqual([state, host, attempts], ["quiet", new URL(server.url).host, 1]);
    const gone = new AbortController();
    const leaving = { ...fixture.hold, signal: gone.signal, onWait: () => gone.abort() };
    await assert.rejects(source.resolve({ url: `${server.url}${path}` }, leaving), { code: "cancelled" });
  }
});
