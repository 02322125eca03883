import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ErrorCode, digestOf, isVarveError } from "../../src/core/index.ts";
import { type Bytes, collect } from "../../src/io/index.ts";
import type { Check } from "./content-check.ts";

const MiB = 1_048_576;
const what = { what: "a blob" };

/** Reads as many bytes as are said to be there, and no further. */
async function take(iterator: AsyncIterator<Uint8Array>, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let left = length; left > 0;) {
    const next = await iterator.next();
    if (next.done === true) assert.fail(`the stream ended ${left} bytes early`);
    chunks.push(next.value);
    left -= next.value.byteLength;
  }
  return Buffer.concat(chunks);
}

const read = (bytes: Bytes): Promise<Buffer> => collect(bytes, 4 * MiB, what);

/** Reading an ingest while it is being written. */
export function following(check: Check): void {
  check("followers get every piece as it is written, and their end with the commit", async (store) => {
    const data = randomBytes(300_000);
    await using ingest = await store.ingest("r");
    const follower = ingest.follow()[Symbol.asyncIterator]();
    let at = 0;
    for (const length of [1, 100, 70_000, 65_536, 65_535, 30_000, 2]) {
      const piece = Buffer.from(data.subarray(at, at + length));
      const [got] = await Promise.all([take(follower, length), ingest.write(piece)]);
      piece.fill(0);
      assert.deepEqual(got, data.subarray(at, at + length));
      at += length;
    }
    const late = read(ingest.follow());
    const [rest] = await Promise.all([take(follower, data.length - at), ingest.write(data.subarray(at))]);
    assert.deepEqual(rest, data.subarray(at));
    const ended = follower.next().then(({ done }) => done === true && store.info(digestOf(data)) !== undefined);
    const { digest } = await ingest.commit();
    assert.equal(await ended, true, "the blob is there when the stream ends");
    assert.deepEqual(await late, data);
    assert.equal(store.info(digest)?.size, data.length);
  });

  check("a follower that is slow, or late, holds up nobody and gets all", async (store) => {
    const data = randomBytes(2 * MiB);
    await using ingest = await store.ingest("r");
    const slow = ingest.follow()[Symbol.asyncIterator]();
    await ingest.write(data.subarray(0, 100_000));
    const begun = await take(slow, 1);
    for (let at = 100_000; at < data.length; at += 50_000) await ingest.write(data.subarray(at, at + 50_000));
    const { digest } = await ingest.commit();
    await store.delete(digest);
    const rest = await read({ [Symbol.asyncIterator]: () => slow });
    assert.deepEqual(Buffer.concat([begun, rest]), data);
    await store.put(data);
    assert.deepEqual(await read(ingest.follow()), data, "of the store, once it is there");
  });

  check("what an interrupted ingest left is followed too", async (store) => {
    {
      await using ingest = await store.ingest("r");
      await ingest.write(Buffer.from("first "));
    }
    await using ingest = await store.ingest("r");
    const followed = read(ingest.follow());
    await ingest.write(Buffer.from("second"));
    await ingest.commit();
    assert.equal((await followed).toString(), "first second");
  });

  check("followers of an ingest that fails, is given up or begun anew get an error and no end", async (store) => {
    const endings: [ErrorCode, (ingest: Awaited<ReturnType<typeof store.ingest>>) => Promise<unknown>][] = [
      ["corrupt", (ingest) => assert.rejects(ingest.commit({ size: 3 }))],
      ["not-found", (ingest) => ingest.abort()],
      ["not-found", async (ingest) => await ingest[Symbol.asyncDispose]()],
      ["not-found", (ingest) => ingest.truncate(1)],
    ];
    for (const [index, [code, end]] of endings.entries()) {
      await using ingest = await store.ingest(`r${index}`);
      const follower = ingest.follow()[Symbol.asyncIterator]();
      await ingest.write(Buffer.from("four"));
      await take(follower, 1);
      const failed = assert.rejects(follower.next(), (error) => isVarveError(error, code));
      await end(ingest);
      await failed;
      await ingest.abort();
      await assert.rejects(read(ingest.follow()), (error) => isVarveError(error));
    }
  });

  check("a follower whose signal is aborted stops, and the writer goes on", async (store) => {
    await using ingest = await store.ingest("r");
    const controller = new AbortController();
    const follower = read(ingest.follow({ signal: controller.signal }));
    await ingest.write(Buffer.from("some"));
    const aborted = once(controller.signal, "abort");
    controller.abort();
    await aborted;
    await assert.rejects(follower, (error) => isVarveError(error, "cancelled"));
    for await (const _chunk of ingest.follow()) break;
    assert.equal((await ingest.commit()).size, 4);
  });
}
