import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { digestOf } from "../../src/core/index.ts";
import { bytesOf, collect } from "../../src/io/index.ts";
import type { ObjectBody, ObjectStore, WriteResult } from "../../src/objectstore/index.ts";

/** Bytes that need more than one part to send, and two of them not full. */
const LARGE = 20 * 1_048_576 + 7;

/** A body with its digest. */
function wholeBody(bytes: Uint8Array): ObjectBody {
  return { size: bytes.byteLength, digest: digestOf(bytes), open: () => bytesOf(bytes) };
}

const bodyOf = (text: string): ObjectBody => wholeBody(Buffer.from(text));

async function readText(store: ObjectStore, key: string, offset = 0): Promise<string | undefined> {
  const opened = await store.get(key, { offset });
  return opened && (await collect(opened.bytes, 2 * LARGE, { what: key })).toString("latin1");
}

function etagOf(result: WriteResult): string {
  assert.equal(result.kind, "written");
  return (result.kind === "written" ? result.etag : undefined) ?? assert.fail("no ETag");
}

export interface ObjectStoreFacts {
  /** False: the server does not set the time of an object that is touched. s3rver does not. */
  readonly touchSetsTime: boolean;
}

/** Every implementation of `ObjectStore` runs this over an empty store that enforces conditions of writes. */
export function objectStoreContract(
  name: string,
  storeOf: () => ObjectStore,
  { touchSetsTime }: ObjectStoreFacts,
): void {
  suite(`${name}: an object store`, () => {
    test("has nothing under an unknown key", async () => {
      assert.equal(await storeOf().head("absent"), undefined);
      assert.equal(await storeOf().get("absent"), undefined);
      await storeOf().delete("absent");
    });

    test("returns what was written, from any byte on, and under keys with special characters", async () => {
      for (const key of ["blobs/sha256:00ff", "a b/ü+%2F(é)'*~"]) {
        await storeOf().put(key, bodyOf(`content of ${key}`));
        assert.equal(Buffer.from((await readText(storeOf(), key)) ?? "", "latin1").toString(), `content of ${key}`);
        assert.equal((await storeOf().head(key))?.size, Buffer.byteLength(`content of ${key}`));
        assert.equal((await readText(storeOf(), key, 8))?.slice(0, 3), "of ");
      }
    });

    test("writes an empty object", async () => {
      await storeOf().put("empty", bodyOf(""));
      assert.equal((await storeOf().head("empty"))?.size, 0);
      assert.equal(await readText(storeOf(), "empty"), "");
    });

    test("writes a large object in parts", async () => {
      const bytes = randomBytes(LARGE);
      await storeOf().put("large", wholeBody(bytes));
      const opened = await storeOf().get("large");
      assert.ok(opened);
      assert.equal(digestOf(await collect(opened.bytes, LARGE, { what: "large" })), digestOf(bytes));
      assert.equal(await readText(storeOf(), "large", LARGE - 3), bytes.subarray(-3).toString("latin1"));
    });

    test("discards the parts of an object whose source fails", async () => {
      // oxlint-disable-next-line require-await -- an async generator is the shape of `Bytes`
      const open = async function* (): AsyncGenerator<Uint8Array> {
        yield randomBytes(9 * 1_048_576);
        throw new Error("the source fails");
      };
      await assert.rejects(storeOf().put("broken", { size: LARGE, open }), /the source fails/);
      assert.equal(await storeOf().head("broken"), undefined);
    });

    test("replaces an object without a condition", async () => {
      const first = etagOf(await storeOf().put("replaced", bodyOf("one")));
      const second = etagOf(await storeOf().put("replaced", bodyOf("two")));
      assert.notEqual(first, second);
      assert.equal(await readText(storeOf(), "replaced"), "two");
      assert.equal((await storeOf().head("replaced"))?.etag, second);
    });

    test("writes only if the condition is met", async () => {
      const absent = { condition: { kind: "absent" } } as const;
      const etag = etagOf(await storeOf().put("conditional", bodyOf("one"), absent));
      assert.deepEqual(await storeOf().put("conditional", bodyOf("two"), absent), { kind: "conflict" });
      const unchanged = { condition: { kind: "unchanged", etag } } as const;
      etagOf(await storeOf().put("conditional", bodyOf("three"), unchanged));
      assert.deepEqual(await storeOf().put("conditional", bodyOf("four"), unchanged), { kind: "conflict" });
      assert.equal(await readText(storeOf(), "conditional"), "three");
      assert.deepEqual(await storeOf().put("gone", bodyOf("x"), unchanged), { kind: "conflict" });
    });

    test("of several writers with the same condition, one succeeds", async () => {
      const store = storeOf();
      const absent = { condition: { kind: "absent" } } as const;
      const results = await Promise.all(["a", "b", "c", "d"].map((text) => store.put("raced", bodyOf(text), absent)));
      assert.equal(results.filter(({ kind }) => kind === "written").length, 1);
      assert.equal(store.conditionalWrites, "enforced");
    });

    test("a touch keeps the content and sets the time", async () => {
      await storeOf().put("touched", bodyOf("content"));
      const before = (await storeOf().head("touched")) ?? assert.fail();
      if (touchSetsTime) await new Promise((resolve) => setTimeout(resolve, 1100));
      await storeOf().touch("touched", before);
      const after = (await storeOf().head("touched")) ?? assert.fail();
      if (touchSetsTime) assert.ok(after.modified > before.modified, `${after.modified} > ${before.modified}`);
      assert.equal(await readText(storeOf(), "touched"), "content");
    });

    test("lists by prefix, and deletes", async () => {
      for (const key of ["list/a", "list/b&<c>", "list/d/e", "listed"]) await storeOf().put(key, bodyOf(key));
      const listed = await Array.fromAsync(storeOf().list("list/"));
      assert.deepEqual(listed.map(({ key }) => key).toSorted(), ["list/a", "list/b&<c>", "list/d/e"]);
      for (const { key, size, modified } of listed) {
        assert.equal(size, key.length);
        assert.ok(modified > 0);
        await storeOf().delete(key);
      }
      assert.deepEqual(await Array.fromAsync(storeOf().list("list/")), []);
      assert.ok(await storeOf().head("listed"));
    });

    test("stops when it is cancelled", async () => {
      await assert.rejects(storeOf().head("absent", { signal: AbortSignal.abort() }), { code: "cancelled" });
    });
  });
}
