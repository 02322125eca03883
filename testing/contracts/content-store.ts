import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContentStore } from "../../src/content/index.ts";
import { type Digest, type ErrorCode, digestOf, isVarveError } from "../../src/core/index.ts";
import { type Bytes, bytesOf, collect } from "../../src/io/index.ts";
import { damage } from "./content-damage.ts";
import type { Check } from "./content-check.ts";
import { following } from "./content-following.ts";

export interface ContentStoreFixture extends AsyncDisposable {
  readonly store: ContentStore;
}

const ABSENT = digestOf("nobody ever writes this");
const MiB = 1_048_576;

function hasCode(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => isVarveError(error, ...codes);
}

async function read(
  store: ContentStore,
  digest: Digest,
  options?: Parameters<ContentStore["open"]>[1],
): Promise<string> {
  return (await collect(store.open(digest, options), MiB, { what: "a blob" })).toString();
}

/** Every implementation of `ContentStore` runs this. */
export function contentStoreContract(name: string, setUp: () => Promise<ContentStoreFixture>): void {
  const check = (what: string, body: (store: ContentStore) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      await using fixture = await setUp();
      await body(fixture.store);
    });
  };
  reading(check);
  writing(check);
  resuming(check);
  following(check);
  labelling(check);
  keeping(check);
  damage(check);
}

function reading(check: Check): void {
  check("a blob that was put can be read, whole and in part", async (store) => {
    const before = Date.now();
    const info = await store.put(Buffer.from("0123456789"));
    assert.equal(info.digest, digestOf("0123456789"));
    assert.equal(info.size, 10);
    assert.ok(info.createdAt >= before && info.createdAt <= Date.now());
    assert.deepEqual(store.info(info.digest), info);
    assert.equal(await read(store, info.digest), "0123456789");
    assert.equal(await read(store, info.digest, { offset: 3 }), "3456789");
    assert.equal(await read(store, info.digest, { offset: 3, length: 4 }), "3456");
    assert.equal(await read(store, info.digest, { offset: 8, length: 40 }), "89");
    assert.equal(await read(store, info.digest, { offset: 10 }), "");
    assert.equal(await read(store, info.digest, { length: 0 }), "");
    for (const options of [{ offset: 11 }, { offset: -1 }, { offset: 0.5 }, { length: -1 }, { length: Number.NaN }])
      await assert.rejects(read(store, info.digest, options), hasCode("invalid-argument"));
  });

  check("the empty blob is a blob", async (store) => {
    const info = await store.put(bytesOf());
    assert.deepEqual([info.digest, info.size, await read(store, info.digest)], [digestOf(""), 0, ""]);
  });

  check("what is absent is not found", async (store) => {
    assert.equal(store.info(ABSENT), undefined);
    assert.throws(() => store.path(ABSENT), hasCode("not-found"));
    assert.throws(() => store.label(ABSENT, { a: "b" }), hasCode("not-found"));
    assert.throws(() => store.link(ABSENT, []), hasCode("not-found"));
    await assert.rejects(read(store, ABSENT), hasCode("not-found"));
    assert.equal(await store.delete(ABSENT), false);
  });

  check("a digest that is none is refused before it becomes a path", async (store) => {
    for (const digest of [
      "sha256:../../etc/passwd",
      "sha256:ABC",
      "md5:00",
      "",
      `sha256:${"a".repeat(63)}/`,
    ] as Digest[]) {
      assert.throws(() => store.info(digest), hasCode("invalid-argument"));
      assert.throws(() => store.path(digest), hasCode("invalid-argument"));
      assert.throws(() => store.open(digest), hasCode("invalid-argument"));
      await assert.rejects(store.delete(digest), hasCode("invalid-argument"));
      await assert.rejects(store.put(Buffer.of(1), { expected: { digest } }), hasCode("invalid-argument"));
    }
  });

  check("a reader keeps a blob that is deleted under it", async (store) => {
    const data = randomBytes(600_000);
    const { digest } = await store.put(data);
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.open(digest)) {
      if (chunks.length === 0) assert.equal(await store.delete(digest), true);
      chunks.push(chunk);
    }
    assert.deepEqual(Buffer.concat(chunks), data);
    assert.equal(store.info(digest), undefined);
  });

  check("walking tells every blob once, in order", async (store) => {
    const infos = await Promise.all(Array.from({ length: 300 }, (_, i) => store.put(Buffer.from(`blob ${i}`))));
    const digests = infos.map(({ digest }) => digest).sort();
    assert.deepEqual(
      Array.from(store.walk(), ({ digest }) => digest),
      digests,
    );
  });

  check("a reader whose signal is aborted stops", async (store) => {
    const { digest } = await store.put(randomBytes(600_000));
    await assert.rejects(read(store, digest, { signal: AbortSignal.abort() }), hasCode("cancelled"));
  });
}

function writing(check: Check): void {
  check("bytes of the wrong digest or size are corrupt, and leave nothing", async (store) => {
    const digest = digestOf("right");
    const wrong: [string, { digest?: Digest; size?: number }][] = [
      ["wrong", { digest }],
      ["righ", { digest, size: 5 }],
      ["right!", { digest, size: 5 }],
      ["right", { size: 4 }],
      ["right", { size: 6 }],
    ];
    for (const [text, expected] of wrong) {
      await assert.rejects(store.put(bytesOf(text), { expected, ref: "r" }), hasCode("corrupt"), text);
      await using again = await store.ingest("r");
      assert.equal(again.offset, 0);
      await again.abort();
    }
    assert.deepEqual([...store.walk()], []);
  });

  check("what was promised at commit is checked too", async (store) => {
    for (const options of [{ digest: ABSENT }, { size: 3 }]) {
      await using ingest = await store.ingest("r");
      await ingest.write(Buffer.from("four"));
      await assert.rejects(ingest.commit(options), hasCode("corrupt"));
    }
    assert.deepEqual([...store.walk()], []);
  });

  check("sha512 blobs are kept under their sha512 digest", async (store) => {
    const digest = digestOf("text", "sha512");
    const info = await store.put(bytesOf("text"), { expected: { digest } });
    assert.equal(info.digest, digest);
    assert.equal(await read(store, digest), "text");
    await using ingest = await store.ingest("late");
    await ingest.write(Buffer.from("other"));
    assert.equal((await ingest.commit({ digest: digestOf("other", "sha512") })).digest, digestOf("other", "sha512"));
  });

  check("a digest that is there already is success, and nothing is read", async (store) => {
    const first = await store.put(bytesOf("same"), { labels: { a: "1" } });
    const unread = (): Bytes => ({
      [Symbol.asyncIterator]: () => assert.fail("the source was read"),
    });
    const expected = { digest: first.digest, size: 4 };
    const second = await store.put(unread(), { expected, labels: { b: "2" } });
    assert.deepEqual(
      second.labels,
      new Map([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    assert.equal(second.createdAt, first.createdAt);
    assert.equal((await store.put(bytesOf("same"))).createdAt, first.createdAt);
    await assert.rejects(store.put(unread(), { expected: { ...expected, size: 5 } }), hasCode("corrupt"));
  });

  check("many writers of the same bytes at once all succeed", async (store) => {
    const data = randomBytes(100_000);
    const infos = await Promise.all(Array.from({ length: 16 }, () => store.put(bytesOf(data))));
    assert.equal(new Set(infos.map(({ digest }) => digest)).size, 1);
    assert.equal([...store.walk()].length, 1);
  });

  check("pieces of every size arrive in order, and may be reused by their writer", async (store) => {
    const data = randomBytes(400_000);
    const sizes = [1, 0, 511, 512, 65_535, 65_536, 65_537, 3, 100_000];
    await using ingest = await store.ingest("r");
    let at = 0;
    for (let i = 0; at < data.length; i++) {
      const piece = Buffer.from(data.subarray(at, at + (sizes[i % sizes.length] ?? 1)));
      await ingest.write(piece);
      at += piece.byteLength;
      piece.fill(0);
      assert.equal(ingest.offset, at);
    }
    const { digest } = await ingest.commit();
    assert.equal(digest, digestOf(data));
  });

  check("a blob is not visible before it is whole", async (store) => {
    const digest = digestOf("abcd");
    await using ingest = await store.ingest("r", { expected: { digest, size: 4 } });
    await ingest.write(Buffer.from("abcd"));
    assert.equal(store.info(digest), undefined);
    await ingest.commit();
    assert.equal(store.info(digest)?.size, 4);
  });

  check("a source that fails leaves no blob", async (store) => {
    const failing = async function* (): Bytes & AsyncGenerator<Uint8Array> {
      yield Buffer.from("ab");
      await sleep(1);
      throw new Error("torn off");
    };
    await assert.rejects(store.put(failing()), /torn off/);
    await assert.rejects(store.put(failing(), { ref: "r" }), /torn off/);
    assert.deepEqual([...store.walk()], []);
  });

  check("an ingest that has ended is refused further use, and ending it again is nothing", async (store) => {
    await using ingest = await store.ingest("r");
    await ingest.write(Buffer.from("x"));
    await ingest.commit();
    await assert.rejects(ingest.write(Buffer.from("y")), hasCode("internal"));
    await assert.rejects(ingest.commit(), hasCode("internal"));
    await ingest.abort();
  });
}

function resuming(check: Check): void {
  check("a ref has one writer at a time", async (store) => {
    {
      await using first = await store.ingest("r");
      await assert.rejects(store.ingest("r"), hasCode("busy"));
      await assert.rejects(store.put(bytesOf("x"), { ref: "r" }), hasCode("busy"));
      await using _other = await store.ingest("other");
      await first.write(Buffer.from("kept"));
    }
    await using second = await store.ingest("r");
    assert.equal(second.offset, 4);
  });

  check("what was written goes on from where it stopped", async (store) => {
    const expected = { digest: digestOf("first second"), size: 12 };
    {
      await using ingest = await store.ingest("r", { expected });
      await ingest.write(Buffer.from("first "));
    }
    await using ingest = await store.ingest("r", { expected });
    assert.equal(ingest.offset, 6);
    await ingest.write(Buffer.from("second"));
    assert.equal((await ingest.commit()).digest, expected.digest);
    await using after = await store.ingest("r");
    assert.equal(after.offset, 0);
  });

  check("kept bytes that are more than expected are dropped", async (store) => {
    {
      await using ingest = await store.ingest("r");
      await ingest.write(Buffer.from("too many bytes"));
    }
    await using ingest = await store.ingest("r", { expected: { size: 3 } });
    assert.equal(ingest.offset, 0);
  });

  check("truncating drops the end, and the digest follows", async (store) => {
    await using ingest = await store.ingest("r");
    await ingest.write(Buffer.from("keep drop"));
    await assert.rejects(ingest.truncate(10), hasCode("invalid-argument"));
    await assert.rejects(ingest.truncate(-1), hasCode("invalid-argument"));
    await ingest.truncate(5);
    assert.equal(ingest.offset, 5);
    await ingest.write(Buffer.from("this"));
    assert.equal((await ingest.commit()).digest, digestOf("keep this"));
  });

  check("aborting drops everything", async (store) => {
    const ingest = await store.ingest("r");
    await ingest.write(Buffer.from("gone"));
    await ingest.abort();
    await using again = await store.ingest("r");
    assert.equal(again.offset, 0);
  });

  check("a writer whose signal is aborted stops, and its bytes stay for resuming", async (store) => {
    const controller = new AbortController();
    const ingest = await store.ingest("r", { signal: controller.signal });
    await ingest.write(Buffer.from("some"));
    controller.abort();
    await assert.rejects(ingest.write(Buffer.from("more")), hasCode("cancelled"));
    await ingest[Symbol.asyncDispose]();
    await using again = await store.ingest("r");
    assert.equal(again.offset, 4);
    await assert.rejects(store.ingest("q", { signal: AbortSignal.abort() }), hasCode("cancelled"));
  });
}

function labelling(check: Check): void {
  check("labels are set, replaced and removed, whatever their keys", async (store) => {
    const { digest } = await store.put(bytesOf("x"), { labels: { a: "1", constructor: "c" } });
    store.label(digest, { a: "2", b: "", ["__proto__"]: "p" });
    assert.deepEqual(
      store.info(digest)?.labels,
      new Map([
        ["__proto__", "p"],
        ["a", "2"],
        ["b", ""],
        ["constructor", "c"],
      ]),
    );
    store.label(digest, { a: null, absent: null });
    assert.equal(store.info(digest)?.labels.has("a"), false);
    await store.delete(digest);
    assert.deepEqual((await store.put(bytesOf("x"))).labels, new Map());
  });
}

function keeping(check: Check): void {
  check("collecting removes what no lease keeps", async (store) => {
    const lease = await store.lease();
    const kept = await store.put(bytesOf("kept"), { lease });
    const later = await store.put(bytesOf("later"));
    lease.add("blob", later.digest);
    const loose = await store.put(bytesOf("loose!"));
    assert.deepEqual(await store.collect(), { blobs: 1, bytes: 6, snapshots: 0, freed: 6 });
    assert.deepEqual(
      [kept, later, loose].map(({ digest }) => store.info(digest) !== undefined),
      [true, true, false],
    );
    await assert.rejects(read(store, loose.digest), hasCode("not-found"));
    await lease[Symbol.asyncDispose]();
    assert.deepEqual(await store.collect(), { blobs: 2, bytes: 9, snapshots: 0, freed: 9 });
    assert.deepEqual([...store.walk()], []);
  });

  check("a blob keeps what it links to, through any number of links and round cycles", async (store) => {
    await using lease = await store.lease();
    const chain = await Promise.all(Array.from({ length: 20 }, (_, i) => store.put(bytesOf(`link ${i}`))));
    const digests = chain.map(({ digest }) => digest);
    for (const [i, digest] of digests.entries())
      store.link(digest, [digests[(i + 1) % digests.length] as Digest, ABSENT]);
    lease.add("blob", digests[7] as Digest);
    assert.equal((await store.collect()).blobs, 0);
    await lease[Symbol.asyncDispose]();
    assert.equal((await store.collect()).blobs, 20);
  });

  check("a link made before its target is there keeps it when it comes", async (store) => {
    await using lease = await store.lease();
    const parent = await store.put(bytesOf("parent"), { lease });
    store.link(parent.digest, [digestOf("child")]);
    await store.put(bytesOf("child"));
    assert.equal((await store.collect()).blobs, 0);
  });

  check("a held lease outlives its ttl, and one that has ended refuses", async (store) => {
    const lease = await store.lease({ ttl: 60 });
    const { digest } = await store.put(bytesOf("x"), { lease });
    await sleep(150);
    assert.equal((await store.collect()).blobs, 0);
    await lease[Symbol.asyncDispose]();
    await lease[Symbol.asyncDispose]();
    assert.throws(() => lease.add("blob", digest), hasCode("not-found"));
    await assert.rejects(store.put(bytesOf("y"), { lease }), hasCode("not-found"));
    assert.equal(store.info(digestOf("y")), undefined);
  });

  check("putting what is there already keeps it by the new lease", async (store) => {
    const first = await store.lease();
    const { digest } = await store.put(bytesOf("shared"), { lease: first });
    await using second = await store.lease();
    await store.put(bytesOf("shared"), { lease: second, expected: { digest } });
    await first[Symbol.asyncDispose]();
    assert.equal((await store.collect()).blobs, 0);
  });

  check("collecting leaves ingests alone", async (store) => {
    await using ingest = await store.ingest("r");
    await ingest.write(Buffer.from("under way"));
    await store.collect();
    const { digest } = await ingest.commit();
    assert.equal(await read(store, digest), "under way");
  });

  check("verifying a sound store finds no damage", async (store) => {
    await store.put(bytesOf("one"));
    await store.put(bytesOf("three"), { expected: { digest: digestOf("three", "sha512") } });
    assert.deepEqual(await store.verify(), { blobs: 2, bytes: 8, damaged: [] });
  });
}
