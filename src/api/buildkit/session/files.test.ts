import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { withSession } from "../../../../testing/session-daemon.ts";
import { type CallContext, GrpcCode, GrpcError, type Metadata, bidiStream } from "../../../grpc/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { FileSend } from "../proto/gen/filesync_pb.ts";
import { openOutput, sendFile } from "./file-send.ts";
import { fileSendMethod, fileSyncMethod, openFiles } from "./files.ts";
import { encodeHeaders } from "./header-encoding.ts";

const sent = bytesMethod(FileSend.method.diffCopy);

async function* bytes(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

suite("directories of the client", () => {
  test("are opened by name, with patterns that hold any text", async () => {
    const seen: Metadata[] = [];
    const echo = bidiStream(fileSyncMethod, async (packets, send, { metadata }: CallContext) => {
      seen.push(metadata);
      for await (const packet of packets) await send(packet);
    });
    await withSession([echo], async (session) => {
      const filter = { includePatterns: ["a,b", "c d"], excludePatterns: [], followPaths: ["ü", "a+b"] };
      using stream = openFiles(session, "context", filter);
      const received = stream.receive[Symbol.asyncIterator]();
      for (const text of ["", "packet", "x".repeat(40_000)]) {
        await stream.send(Buffer.from(text));
        assert.equal(Buffer.from((await received.next()).value[0]).toString(), text);
      }
      await stream.closeSend();
      assert.equal((await received.next()).done, true);
      const [metadata] = seen;
      assert.deepEqual(metadata?.all("dir-name"), ["context"]);
      assert.deepEqual(metadata?.all("include-patterns"), ["a,b", "c d"]);
      assert.equal(metadata?.has("include-patterns-encoded"), false);
      assert.equal(metadata?.has("exclude-patterns"), false);
      assert.deepEqual(metadata?.all("followpaths"), ["%C3%BC", "a%2Bb"]);
      assert.equal(metadata?.get("followpaths-encoded"), "1");
    });
  });

  test("that the client refuses, or serves none of", async () => {
    const refusal = new GrpcError(GrpcCode.notFound, 'no access allowed to dir "x"');
    await withSession([bidiStream(fileSyncMethod, () => Promise.reject(refusal))], async (session) => {
      using stream = openFiles(session, "x", {});
      await assert.rejects(Array.fromAsync(stream.receive), { code: GrpcCode.notFound, message: refusal.message });
    });
    await withSession([], async (session) => {
      assert.throws(() => openFiles(session, "x", {}), { message: "no local sources enabled" });
    });
  });
});

suite("outputs", () => {
  test("a file is sent in pieces, and the client's status is awaited", async () => {
    const got: { metadata: Metadata; text: string; largest: number }[] = [];
    const receive = bidiStream(sent, async (pieces, _send, { metadata }) => {
      let [text, largest] = ["", 0];
      for await (const piece of pieces) {
        text += Buffer.from(piece).toString();
        largest = Math.max(largest, piece.length);
      }
      got.push({ metadata, text, largest });
    });
    await withSession([receive], async (session) => {
      const response = new Map([["containerimage.digest", "sha256:x"]]);
      const source = bytes(Buffer.alloc(7_000_000, "a"), Buffer.from("end"));
      assert.equal(await sendFile(session, { exporter: 3, response }, source), "written");
      const [only] = got;
      assert.equal(only?.text, `${"a".repeat(7_000_000)}end`);
      assert.equal(only?.largest, 3_145_728);
      assert.equal(only?.metadata.get("buildkit-attachable-exporter-id"), "3");
      assert.equal(only?.metadata.get("exporter-md-containerimage.digest"), "sha256:x");
    });
  });

  test("a file that the client has, cannot write, or does not take", async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(Buffer.alloc(1_000_000));
    }
    const exists = new GrpcError(GrpcCode.alreadyExists, "target already exists");
    await withSession([bidiStream(sent, () => Promise.reject(exists))], async (session) => {
      assert.equal(await sendFile(session, { exporter: 0 }, endless()), "exists");
    });
    const late = bidiStream(sent, async (pieces) => {
      for await (const _ of pieces);
      throw new Error("disk is full");
    });
    await withSession([late], async (session) => {
      await assert.rejects(sendFile(session, { exporter: 0 }, bytes(Buffer.from("x"))), { message: "disk is full" });
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(Buffer.from("x"));
        throw new Error("the source broke");
      };
      await assert.rejects(sendFile(session, { exporter: 0 }, broken()), { message: "the source broke" });
    });
    await withSession([], async (session) => {
      const message = "method /moby.filesync.v1.FileSend/diffcopy not supported by the client";
      await assert.rejects(sendFile(session, { exporter: 0 }, endless()), { message });
      assert.throws(() => openOutput(session, { exporter: 0 }), { message });
    });
  });

  test("a directory is a stream of packets, which the client asks for", async () => {
    const keys: (string | undefined)[] = [];
    const receive = bidiStream(fileSendMethod, async (packets, send, { metadata }) => {
      keys.push(metadata.get("buildkit-attachable-exporter-id"), metadata.get("buildkit-exporter-multi-platform"));
      for await (const packet of packets) await send(packet);
    });
    await withSession([receive], async (session) => {
      using stream = openOutput(session, { exporter: 1, isMultiPlatform: true });
      await stream.send(Buffer.from("stat"));
      await stream.closeSend();
      assert.deepEqual((await Array.fromAsync(stream.receive)).flat().map(String), ["stat"]);
      assert.deepEqual(keys, ["1", "1"]);
    });
  });
});

test("headers are encoded as Go decodes them", () => {
  const decode = (text: string): string => decodeURIComponent(text.replaceAll("+", " "));
  assert.deepEqual(encodeHeaders({ a: ["é !'()*~-_."] }).all("a"), ["%C3%A9+%21%27%28%29%2A~-_."]);
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme" })), (texts) => {
      const metadata = encodeHeaders({ k: [...texts, "ü"] });
      assert.deepEqual(metadata.all("k").map(decode), [...texts, "ü"]);
    }),
  );
});

test("messages of bytes are read as by any implementation", () => {
  const { request } = sent;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000 }), (data) => {
      assert.deepEqual(Buffer.from(request.decode(request.encode(data))), Buffer.from(data));
    }),
  );
  const withOthers = Buffer.from([0x10, 0x96, 0x01, 0x1a, 1, 7, 0x0a, 2, 65, 66, 0x0a, 1, 67]);
  assert.equal(Buffer.from(request.decode(withOthers)).toString(), "C");
  for (const bad of [
    [0x0a],
    [0x0a, 5, 1],
    [0x0b],
    [0x80],
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
  ])
    assert.throws(() => request.decode(Buffer.from(bad)), { code: "corrupt" });
});
