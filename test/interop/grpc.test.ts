/** Our gRPC beside grpc-go: a client of our server, and a session whose server is grpc-go. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Codec, GrpcCode, GrpcError, GrpcServer, Metadata, type Method } from "../../src/grpc/index.ts";
import { bidiStream, invokeBidi, unary } from "../../src/grpc/index.ts";
import { SessionManager, sessionMethod } from "../../src/api/buildkit/index.ts";
import { temporaryDirectory } from "../../src/io/index.ts";
import { needsPeers } from "../../testing/peers.ts";

const GO_PATH = "/usr/share/gocode";
const PROGRAM = fileURLToPath(new URL("./grpc-peer", import.meta.url));

const raw: Codec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes };
const method = (name: string, service = "t.T"): Method<Uint8Array, Uint8Array> => ({
  service,
  name,
  request: raw,
  response: raw,
});

const details = Buffer.concat([Buffer.from([0x08, 5, 0x12, 1, 0x6d, 0x1a]), anyOf(200_000)]);

/** A `google.protobuf.Any` with a value of this size, and its length before it. */
function anyOf(size: number): Buffer {
  const varint = (value: number): number[] => [(value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14];
  const any = Buffer.concat([Buffer.from([0x0a, 1, 0x78, 0x12, ...varint(size)]), Buffer.alloc(size, 7)]);
  return Buffer.concat([Buffer.from(varint(any.length)), any]);
}

const services = [
  unary(method("Echo"), async (request, call) => {
    const seen = call.metadata.all("include-patterns");
    call.sendHeaders(Metadata.of([["seen", seen]]));
    call.trailers.append("after", "x,y").append("after", "z");
    return await Promise.resolve(request);
  }),
  unary(method("Fail"), async () => {
    return await Promise.reject(new GrpcError(GrpcCode.notFound, 'no "ü" at 100%', { details }));
  }),
  unary(method("Wait"), async (_request, { signal }) => {
    if (!signal.aborted) await once(signal, "abort");
    throw signal.reason;
  }),
  bidiStream(method("Refuse"), async () => {
    await Promise.reject(new GrpcError(GrpcCode.alreadyExists, "target already exists"));
  }),
  bidiStream(method("Echoes"), async (requests, send) => {
    for await (const request of requests) await send(request);
  }),
];

/** Reads a stream of the session's server in both directions at once. Returns what it has received, and its error. */
async function useSession(sessions: SessionManager): Promise<{ readonly bytes: number; readonly error: unknown }> {
  const session = await sessions.get("go");
  assert.equal(session.supports({ service: "t.inner", name: "other" }), true);
  const metadata = Metadata.of([["include-patterns", ["a,b", "c"]]]);
  using call = invokeBidi(session.client, method("Data", "t.Inner"), { metadata });
  const sending = (async () => {
    for (let count = 0; count < 1000; count += 1) await call.send(chunk);
    call.end();
  })();
  let [bytes, error]: [number, unknown] = [0, undefined];
  try {
    for await (const message of call.responses) bytes += message.length;
  } catch (thrown) {
    error = thrown;
  }
  await sending;
  session.client.close();
  return { bytes, error };
}

/** A message with one field of 32 KiB. */
const chunk = Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0x02]), Buffer.alloc(32_768)]);

test("grpc-go is a client, and the server of a session", async (t) => {
  if (!needsPeers(t, "go")) return;
  for (const name of ["google.golang.org/grpc", "golang.org/x/net/http2"])
    if (!existsSync(join(GO_PATH, "src", name))) {
      t.skip(`no Go package ${name}`);
      return;
    }
  await using folder = await temporaryDirectory();
  const peer = join(folder.path, "peer");
  const env = { ...process.env, GO111MODULE: "off", GOPATH: GO_PATH, GOFLAGS: "", GOCACHE: join(folder.path, "go") };
  execFileSync("go", ["build", "-o", peer, "."], { cwd: PROGRAM, env });

  const sessions = new SessionManager();
  await using server = new GrpcServer([...services, sessionMethod(sessions)]);
  const listener = createServer((socket) => server.serve(socket));
  using _listening = { [Symbol.dispose]: () => void listener.close() };
  const socket = join(folder.path, "socket");
  listener.listen(socket);
  await once(listener, "listening");
  const used = useSession(sessions);
  const { stdout } = await promisify(execFile)(peer, [`unix://${socket}`], { timeout: 60_000 });
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    'echo xxx <nil> ["a,b" "c"] ["x,y" "z"]',
    "rpc error: code = Unimplemented desc = unknown method Nope for service t.T",
    "rpc error: code = Unimplemented desc = unknown service t.Other",
    "fail NotFound m 200000",
    `large ${15 << 20} <nil>`,
    `too large rpc error: code = ResourceExhausted desc = grpc: received message larger than max (${(17 << 20) + 5} vs. ${16 << 20})`,
    "deadline DeadlineExceeded",
    "refused EOF rpc error: code = AlreadyExists desc = target already exists",
    "cancelled x Canceled",
    `data ${1000 * 32_768} ["a,b" "c"]`,
    "session EOF",
  ]);
  const { bytes, error } = await used;
  assert.equal(bytes, 1000 * chunk.length);
  assert.ok(error instanceof GrpcError && error.code === GrpcCode.notFound, String(error));
  assert.equal(error.message, 'none: "ü"');
});
