import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { suite, test } from "node:test";
import { type MessageInitShape, create, toBinary } from "@bufbuild/protobuf";
import { type BuildkitDaemon, buildkitDaemon, driveBuild } from "../../../testing/buildkit-daemon.ts";
import { healthy, openSession } from "../../../testing/session-client.ts";
import { digestOf } from "../../core/index.ts";
import { GrpcCode, bidiStream, invoke } from "../../grpc/index.ts";
import { Control } from "./proto/gen/control_pb.ts";
import { PacketSchema, Packet_PacketType as Type } from "./proto/gen/fsutil_pb.ts";
import { LLBBridge } from "./proto/gen/gateway_pb.ts";
import { DefinitionSchema, OpSchema } from "./proto/gen/ops_pb.ts";
import { called } from "./proto/methods.ts";
import { fileSyncMethod } from "./session/files.ts";

type Op = Exclude<MessageInitShape<typeof OpSchema>, { readonly $typeName: "pb.Op" }>;
type Packet = MessageInitShape<typeof PacketSchema>;

const { method: control } = Control;
const { method: bridge } = LLBBridge;

/** Another client can still build: here, an empty result. */
async function stillBuilds({ grpc }: BuildkitDaemon): Promise<void> {
  using client = await grpc.client();
  await invoke(client, called(control.solve), { ref: randomUUID(), definition: new Uint8Array() });
}

function encodedOp(op: Op): Uint8Array {
  return toBinary(OpSchema, create(OpSchema, op));
}

/** The ops in order, and one that ends the graph with the last of them. */
function definition(...ops: readonly Op[]): Uint8Array {
  const def = ops.map(encodedOp);
  const last = def.at(-1) ?? new Uint8Array();
  const end = encodedOp({ inputs: [{ digest: digestOf(Buffer.from(last)), index: 0n }] });
  return toBinary(DefinitionSchema, create(DefinitionSchema, { def: [...def, end] }));
}

function source(identifier: string, attrs: Record<string, string> = {}): Op {
  return { op: { case: "source", value: { identifier, attrs } } };
}

const BROKEN: readonly (readonly [what: string, definition: () => Uint8Array, says: RegExp])[] = [
  ["bytes that are no message", () => Buffer.alloc(1000, 0xff), /./],
  [
    "an op that is no message",
    () => toBinary(DefinitionSchema, create(DefinitionSchema, { def: [Buffer.from("x")] })),
    /LLB/,
  ],
  ["an op that ends nothing", () => definition(), /LLB|digest/],
  [
    "an input that is not there",
    () => definition({ ...source("local://x"), inputs: [{ digest: digestOf("y"), index: 0n }] }),
    /input digest/,
  ],
  [
    "an output that cannot be",
    () => definition({ ...source("local://x"), inputs: [{ digest: digestOf("y"), index: -1n }] }),
    /./,
  ],
  ["an op of no kind", () => definition({}), /./],
  ["an unknown scheme", () => definition(source("gopher://x")), /./],
  ["a step without anything", () => definition({ op: { case: "exec", value: {} } }), /exec op/],
  ["a chain of 200 ops", () => chain(200), /local files without session/],
];

/** Each op copies from the one before. The first one needs a session that is not there. */
function chain(length: number): Uint8Array {
  const def = [encodedOp(source("local://nothing"))];
  for (let index = 1; index < length; index += 1) {
    const digest = digestOf(Buffer.from(def.at(-1) ?? []));
    const action = {
      input: 0n,
      secondaryInput: -1n,
      output: 0n,
      action: { case: "mkdir", value: { path: "/d" } },
    } as const;
    def.push(encodedOp({ inputs: [{ digest, index: 0n }], op: { case: "file", value: { actions: [action] } } }));
  }
  const end = encodedOp({ inputs: [{ digest: digestOf(Buffer.from(def.at(-1) ?? [])), index: 0n }] });
  return toBinary(DefinitionSchema, create(DefinitionSchema, { def: [...def, end] }));
}

suite("graphs that cannot be built", () => {
  test("each is an error of that build", async () => {
    await using served = await buildkitDaemon();
    using client = await served.grpc.client();
    for (const [what, encoded, says] of BROKEN) {
      const solving = invoke(client, called(control.solve), { ref: randomUUID(), definition: encoded() });
      await assert.rejects(solving, { code: GrpcCode.unknown, message: says }, what);
    }
    await stillBuilds(served);
  });
});

suite("clients that drive builds", () => {
  test("a build has its own filesystems only", async () => {
    await using served = await buildkitDaemon();
    using client = await served.grpc.client();
    const [one, other] = [await driveBuild(client), await driveBuild(client)];
    const request = { definition: definition(source("local://x")), allowResultReturn: true, allowResultArrayRef: true };
    const { result } = await invoke(client, called(bridge.solve), request, { metadata: one.call.metadata });
    assert.ok(result?.result.case === "ref");
    const { id } = result.result.value;
    const { metadata } = other.call;
    await assert.rejects(
      invoke(client, called(bridge.readFile), { ref: id, filePath: "/x" }, { metadata }),
      /no such ref/,
    );
    await assert.rejects(invoke(client, called(bridge.evaluate), { ref: id }, { metadata }), /no such ref/);
    const returned = { result: { result: { case: "ref", value: { id } } } } as const;
    await assert.rejects(
      invoke(client, called(bridge.return), returned, { metadata }),
      /return reference .* not found/,
    );
    await assert.rejects(invoke(client, called(bridge.ping), {}), /no buildid found in context/);
    await invoke(client, called(bridge.return), { result: {} }, { metadata });
    await other.solved;
    await stillBuilds(served);
  });

  test("a build returns one result, once", async () => {
    await using served = await buildkitDaemon();
    using client = await served.grpc.client();
    const { call, solved } = await driveBuild(client);
    const { metadata } = call;
    const both = { result: {}, error: { code: 2, message: "no" } };
    for (const request of [{}, both])
      await assert.rejects(invoke(client, called(bridge.return), request, { metadata }), /either result or err/);
    await invoke(client, called(bridge.return), { error: { code: 2, message: "enough" } }, { metadata });
    await assert.rejects(solved, /enough/);
    await assert.rejects(invoke(client, called(bridge.return), { result: {} }, { metadata }), /already set|enough/);
    await stillBuilds(served);
  });

  test("two builds cannot have one reference", async () => {
    await using served = await buildkitDaemon();
    using client = await served.grpc.client();
    const { ref, call, solved } = await driveBuild(client);
    await assert.rejects(invoke(client, called(control.solve), { ref }), /job ID .* exists/);
    await invoke(client, called(bridge.return), { result: {} }, call);
    await solved;
  });
});

/** What clients send of a directory that must not be accepted. */
const LISTINGS: readonly (readonly [what: string, packets: readonly Packet[], says: RegExp])[] = [
  ["a path outside", [stat("../x")], /escape|unclean|absolute|invalid/],
  ["an absolute path", [stat("/x")], /absolute|unclean|invalid/],
  ["paths out of order", [stat("b"), stat("a")], /out of order/],
  ["a file without its directory", [stat("a/b")], /./],
  ["a link to what was not sent", [stat("a", { linkname: "../../etc/passwd" })], /invalid link/],
  [
    "content that nobody asked for",
    [stat("a"), {}, { type: Type.PACKET_DATA, id: 99, data: Buffer.from("x") }],
    /invalid file request/,
  ],
  ["an error", [{ type: Type.PACKET_ERR, data: Buffer.from("no disk") }], /no disk/],
];

function stat(path: string, more: object = {}): Packet {
  return { type: Type.PACKET_STAT, stat: { path, mode: 0o644, ...more } };
}

suite("clients that send directories", () => {
  test("a listing that is not valid is an error of that build", async () => {
    await using served = await buildkitDaemon();
    using client = await served.grpc.client();
    for (const [what, packets, says] of LISTINGS) {
      const sync = bidiStream(fileSyncMethod, async (requests, send) => {
        for (const packet of packets) await send(toBinary(PacketSchema, create(PacketSchema, packet)));
        for await (const _request of requests) await setImmediate();
      });
      await using session = openSession(client, [sync, healthy]);
      const graph = definition(source("local://context", { "local.session": session.id }));
      const request = { ref: randomUUID(), session: session.id, definition: graph };
      await assert.rejects(invoke(client, called(control.solve), request), says, what);
    }
    await stillBuilds(served);
  });

  test("a client that vanishes while it sends ends its build", async () => {
    await using served = await buildkitDaemon();
    const client = await served.grpc.client();
    const asked = Promise.withResolvers<void>();
    const sync = bidiStream(fileSyncMethod, async (requests, send) => {
      await send(toBinary(PacketSchema, create(PacketSchema, stat("a", { size: 1_000_000n }))));
      asked.resolve();
      for await (const _request of requests) await setImmediate();
    });
    await using session = openSession(client, [sync, healthy]);
    const graph = definition(source("local://context", { "local.session": session.id }));
    const solving = invoke(client, called(control.solve), {
      ref: randomUUID(),
      session: session.id,
      definition: graph,
    });
    const failed = assert.rejects(solving);
    await asked.promise;
    client.close();
    await failed;
    await stillBuilds(served);
  });
});

test("a thousand calls at once are answered", async () => {
  await using served = await buildkitDaemon();
  using client = await served.grpc.client();
  const calls = Array.from({ length: 1000 }, () => invoke(client, called(control.info), {}));
  assert.equal(
    (await Promise.all(calls)).every(({ buildkitVersion }) => buildkitVersion !== undefined),
    true,
  );
  await stillBuilds(served);
});
