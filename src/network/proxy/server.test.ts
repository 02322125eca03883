import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, createServer, request } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { digestOf } from "../../core/index.ts";
import { ProxyCapture } from "./capture.ts";
import { makeAuthority } from "./certificate.ts";
import { machineEgress } from "./egress.ts";
import { type JudgeUrl, StepProxy } from "./server.ts";

const authority = makeAuthority();

interface Bench extends AsyncDisposable {
  readonly capture: ProxyCapture;
  /** URL of a server without a slash at its end. */
  readonly origin: string;
  readonly proxyPort: number;
  readonly get: (
    url: string,
    options?: { method?: string; headers?: Record<string, string>; body?: string },
  ) => Promise<Answer>;
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
}

async function openBench(judge?: JudgeUrl): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const server = createServer((message, response) => {
    switch (message.url) {
      case "/ok":
        return response.end("fine");
      case "/part":
        return response.writeHead(206).end("fi");
      case "/moved":
        return response.writeHead(302, { location: "/ok" }).end();
      case "/broken":
        response.writeHead(200, { "content-length": "100" }).write("x", () => response.destroy());
        return response;
      case "/echo":
        return response.end(JSON.stringify(message.headers));
      case "/post":
        return message.pipe(response);
      default:
        return response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  stack.defer(() => void server.close());
  const capture = new ProxyCapture();
  const proxy = stack.use(new StepProxy({ authority, egress: machineEgress, judge, capture }));
  proxy.server.listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(proxy.server, "listening")]);
  const { port } = server.address() as AddressInfo;
  const proxyPort = (proxy.server.address() as AddressInfo).port;
  const parts = stack.move();
  return {
    capture,
    origin: `http://127.0.0.1:${port}`,
    proxyPort,
    get: async (url, { method = "GET", headers = {}, body } = {}) => {
      const outgoing = request({ host: "127.0.0.1", port: proxyPort, path: url, method, headers, agent: false });
      outgoing.end(body);
      const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
      return { status: answer.statusCode, text: await text(answer), headers: answer.headers };
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

test("requests are passed on, and downloads are materials", async () => {
  const bench = await openBench();
  const { origin, capture, get } = bench;
  assert.deepEqual([(await get(`${origin}/ok`)).text, (await get(`${origin}/moved`)).status], ["fine", 302]);
  assert.equal((await get(`${origin}/missing`)).status, 404);
  assert.equal((await get(`${origin}/post`, { method: "POST", body: "sent" })).text, "sent");
  assert.equal((await get(`${origin}/part`)).status, 206);
  await assert.rejects(get(`${origin}/broken`));
  // What was recorded is complete when the proxy has ended.
  await bench[Symbol.asyncDispose]();
  assert.deepEqual(
    capture.requests.map(({ method, url, status }) => [method, url.slice(origin.length), status]),
    [
      ["GET", "/ok", 200],
      ["GET", "/moved", 302],
      ["GET", "/missing", 404],
      ["POST", "/post", 200],
      ["GET", "/part", 206],
      ["GET", "/broken", 200],
    ],
  );
  const digest = digestOf("fine");
  assert.deepEqual(capture.materials, [
    { url: `${origin}/ok`, digest },
    { url: `${origin}/moved`, digest },
  ]);
  assert.deepEqual(
    capture.incomplete.map(({ url, reason }) => [url.slice(origin.length), reason]),
    [
      ["/missing", "unsuccessful_response"],
      ["/post", "method_not_materializable"],
      ["/part", "partial_response"],
      ["/broken", "body_read_failed"],
    ],
  );
});

test("headers of the connection stay on it, and credentials are not recorded", async () => {
  await using bench = await openBench();
  const { origin, capture, get } = bench;
  const headers = { "proxy-authorization": "Basic eDp5", "accept-encoding": "gzip", "x-own": "1" };
  const seen = JSON.parse((await get(`${origin}/echo`, { headers })).text) as Record<string, string>;
  assert.deepEqual(
    [seen["x-own"], seen["proxy-authorization"], seen["accept-encoding"], seen["host"]],
    ["1", undefined, undefined, origin.slice("http://".length)],
  );
  await get(`${origin.replace("//", "//user:secret-word@")}/ok`);
  assert.doesNotMatch(JSON.stringify(capture.requests), /secret-word/);
});

test("a policy denies and replaces URLs, the latter for GET only", async () => {
  const judged: string[] = [];
  await using bench = await openBench(async (url) => {
    judged.push(new URL(url).pathname);
    if (url.endsWith("/denied")) throw new Error("no");
    return await Promise.resolve(url.replace(/\/(old|other)$/, "/ok"));
  });
  const { origin, get, capture } = bench;
  assert.equal((await get(`${origin}/old`)).text, "fine");
  assert.deepEqual(await get(`${origin}/denied`).then(({ status, text: body }) => [status, body]), [
    403,
    "Forbidden\n",
  ]);
  assert.equal((await get(`${origin}/other`, { method: "POST", body: "x" })).status, 403);
  assert.deepEqual(judged, ["/old", "/denied", "/other"]);
  assert.deepEqual(capture.materials, [{ url: `${origin}/ok`, digest: digestOf("fine") }]);
});

test("what cannot be reached, or is no web address, has an answer that says so", async () => {
  await using bench = await openBench();
  const { get, capture } = bench;
  assert.equal((await get("http://varve.invalid/x")).status, 502);
  assert.equal((await get("http://127.0.0.1:1/x")).status, 502);
  assert.equal((await get("ftp://127.0.0.1/x")).status, 400);
  assert.deepEqual(
    capture.incomplete.map(({ reason }) => reason),
    ["upstream_error", "upstream_error"],
  );
});

test("a tunnel ends in the proxy, which shows a certificate of its authority", async () => {
  await using bench = await openBench();
  const outgoing = request({
    host: "127.0.0.1",
    port: bench.proxyPort,
    method: "CONNECT",
    path: "varve.invalid:443",
    agent: false,
  });
  outgoing.end();
  const [, socket] = (await once(outgoing, "connect")) as [IncomingMessage, Socket];
  const secure = connectTls({ socket, servername: "varve.invalid", ca: authority.certificate });
  await once(secure, "secureConnect");
  secure.write("GET /denied HTTP/1.1\r\nHost: varve.invalid\r\nConnection: close\r\n\r\n");
  assert.match(await text(secure), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.deepEqual(
    bench.capture.requests.map(({ method, url, status }) => [method, url, status]),
    [["GET", "https://varve.invalid/denied", 502]],
  );
});
