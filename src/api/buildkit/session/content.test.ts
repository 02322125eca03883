import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { withSession } from "../../../../testing/session-daemon.ts";
import { MediaType, digestOf } from "../../../core/index.ts";
import { GrpcCode, GrpcError, type Implementation, bidiStream, serverStream, unary } from "../../../grpc/index.ts";
import { bytesOf, collect } from "../../../io/index.ts";
import { Content, WriteAction } from "../proto/gen/content_pb.ts";
import { served } from "../proto/methods.ts";
import { ClientContent } from "./content.ts";

const STORE = "local:cache";

/** A content store like that of a client: blobs by digest, and unfinished writes by name. */
class Store {
  readonly blobs = new Map<string, Buffer>();
  readonly labels = new Map<string, Record<string, string>>();
  readonly writes = new Map<string, Buffer>();
  readonly aborted: string[] = [];

  add(text: string): { digest: `sha256:${string}`; size: number; mediaType: string } {
    const bytes = Buffer.from(text);
    const digest = digestOf(bytes) as `sha256:${string}`;
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.length, mediaType: MediaType.ociLayer };
  }

  #blob(digest: string): Buffer {
    const blob = this.blobs.get(digest);
    if (blob === undefined) throw new GrpcError(GrpcCode.notFound, `content digest ${digest}: not found`);
    return blob;
  }

  methods(): Implementation[] {
    const choose = ({ metadata }: { metadata: { get(key: string): string | undefined } }): void => {
      const id = metadata.get("buildkit-attachable-store-id");
      if (id !== STORE) throw new GrpcError(GrpcCode.notFound, `unknown store ${id}`);
    };
    return [
      unary(served(Content.method.info), async ({ digest }, call) => {
        choose(call);
        return { info: { digest, size: BigInt(this.#blob(digest).length), labels: { a: "b" } } };
      }),
      serverStream(served(Content.method.read), ({ digest, offset, size }) => this.#read(digest, offset, size)),
      bidiStream(served(Content.method.write), async (requests, send, call) => {
        choose(call);
        for await (const { action, ref, total, expected, offset, data, labels } of requests) {
          if (this.blobs.has(expected)) throw new GrpcError(GrpcCode.alreadyExists, `content ${expected} exists`);
          const before = this.writes.get(ref) ?? Buffer.alloc(0);
          if (Number(offset) !== before.length && action !== WriteAction.STAT)
            throw new GrpcError(GrpcCode.outOfRange, `offset is ${before.length}`);
          const written = Buffer.concat([before, data]);
          this.writes.set(ref, written);
          if (action === WriteAction.COMMIT) {
            if (BigInt(written.length) !== total || digestOf(written) !== expected)
              throw new GrpcError(GrpcCode.failedPrecondition, `unexpected commit digest ${digestOf(written)}`);
            this.blobs.set(expected, written);
            this.labels.set(expected, labels);
            this.writes.delete(ref);
          }
          const answer = { action, offset: BigInt(written.length), total };
          await send(answer);
          if (action !== WriteAction.COMMIT) continue;
          await send(answer);
          return;
        }
      }),
      unary(served(Content.method.abort), async ({ ref }) => {
        this.aborted.push(ref);
        this.writes.delete(ref);
        return {};
      }),
    ];
  }

  async *#read(digest: string, offset: bigint, size: bigint): AsyncGenerator<{ offset: bigint; data: Uint8Array }> {
    const blob = this.#blob(digest);
    const [start, end] = [Number(offset), size === 0n ? blob.length : Number(offset + size)];
    if (start > blob.length) throw new GrpcError(GrpcCode.outOfRange, "past the end");
    for (let at = start; at < end; at += 3)
      yield await Promise.resolve({ offset: BigInt(at - start), data: blob.subarray(at, Math.min(at + 3, end)) });
  }
}

const text = async (bytes: AsyncIterable<Uint8Array>): Promise<string> =>
  (await collect(bytes, 1e9, { what: "the test" })).toString();

suite("reading a client's store", () => {
  test("blobs, parts of them, and what is known of them", async () => {
    const store = new Store();
    const blob = store.add("hello, client");
    await withSession(store.methods(), async (session) => {
      const content = new ClientContent(session, STORE);
      const info = await content.info(blob.digest);
      assert.deepEqual([info.size, info.labels.get("a")], [13, "b"]);
      assert.equal(await text(content.read(blob.digest)), "hello, client");
      assert.equal(await text(content.read(blob.digest, { offset: 7 })), "client");
      assert.equal(await text(content.read(blob.digest, { offset: 1, length: 4 })), "ello");
      assert.equal(await text(content.read(blob.digest, { length: 0 })), "");
      await assert.rejects(text(content.read(blob.digest, { offset: 99 })), { code: GrpcCode.outOfRange });
      const missing = digestOf("missing");
      const expected = { code: "not-found", message: `content digest ${missing}: not found` };
      await assert.rejects(content.info(missing), expected);
      await assert.rejects(text(content.read(missing)), expected);
      await assert.rejects(new ClientContent(session, "oci:x").info(blob.digest), { message: "unknown store oci:x" });
    });
  });

  test("documents are verified, and are an origin of caches", async () => {
    const store = new Store();
    const blob = store.add("a document");
    const lie = digestOf("something else");
    store.blobs.set(lie, Buffer.from("a document"));
    await withSession(store.methods(), async (session) => {
      const content = new ClientContent(session, STORE);
      const origin = content.origin(blob.digest);
      const { descriptor, bytes } = await origin.top();
      assert.deepEqual([descriptor.size, Buffer.from(bytes).toString()], [10, "a document"]);
      assert.equal(origin.name, `local:cache@${blob.digest}`);
      assert.equal(Buffer.from(await origin.blob(blob, 100)).toString(), "a document");
      await assert.rejects(origin.blob({ ...blob, digest: lie }, 100), { code: "corrupt" });
      await assert.rejects(origin.blob(blob, 9), { code: "limit-exceeded" });
    });
  });

  test("a client that sends more bytes than asked for is caught", async () => {
    const more = serverStream(served(Content.method.read), async function* () {
      yield await Promise.resolve({ data: Buffer.alloc(100) });
    });
    await withSession([more], async (session) => {
      const content = new ClientContent(session, STORE);
      await assert.rejects(text(content.read(digestOf("x"), { length: 2 })), { code: "corrupt" });
    });
  });
});

suite("writing into a client's store", () => {
  test("a blob is written in pieces, once", async () => {
    const store = new Store();
    const large = Buffer.alloc(2_500_000, "abc");
    const blob = { digest: digestOf(large), size: large.length, labels: { k: "v" } };
    const empty = { digest: digestOf(""), size: 0 };
    await withSession(store.methods(), async (session) => {
      const content = new ClientContent(session, STORE);
      assert.equal(await content.write(blob, bytesOf(large)), "written");
      assert.ok(store.blobs.get(blob.digest)?.equals(large));
      assert.deepEqual(store.labels.get(blob.digest), { k: "v" });
      assert.equal(await content.write(blob, bytesOf(large)), "exists");
      assert.equal(await content.write(empty, bytesOf()), "written");
      assert.deepEqual([store.blobs.size, store.writes.size], [2, 0]);
    });
  });

  test("what fails leaves nothing behind", async () => {
    const store = new Store();
    await withSession(store.methods(), async (session) => {
      const content = new ClientContent(session, STORE);
      const blob = { digest: digestOf("other bytes"), size: 5 };
      await assert.rejects(content.write(blob, bytesOf("bytes")), { code: GrpcCode.failedPrecondition });
      await assert.rejects(content.write(blob, bytesOf("more bytes")), { code: "corrupt" });
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(Buffer.from("by"));
        throw new Error("the source broke");
      };
      await assert.rejects(content.write(blob, broken()), { message: "the source broke" });
      assert.equal(store.aborted.length, 3);
      assert.deepEqual([store.blobs.size, store.writes.size], [0, 0]);
    });
  });
});
