import assert from "node:assert/strict";
import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { type Bytes, bytesOf, compress, collect, freeable, freeing, temporaryDirectory, writeOutput } from "./index.ts";

const what = { what: "the test" };

/** Chunks of a stream, to look at afterwards. */
function chunks(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => new Uint8Array(Buffer.alloc(100_000, at + 1)));
}

async function* yieldedBy(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of all) yield await Promise.resolve(freeable(chunk));
}

test("a reader that frees chunks empties those that are its own, when it asks for the next one", async () => {
  const [own, others] = [chunks(3), chunks(3)];
  let index = 0;
  for await (const chunk of freeing(yieldedBy(own))) {
    assert.equal(chunk[0], index + 1);
    assert.deepEqual(
      own.map(({ byteLength }) => byteLength > 0),
      own.map((_, at) => at >= index),
    );
    index += 1;
  }
  assert.deepEqual(
    own.map(({ byteLength }) => byteLength),
    [0, 0, 0],
  );
  const read = await collect(freeing(bytesOf(...others)), 1e6, what);
  assert.ok(read.equals(Buffer.concat(others)));
  assert.deepEqual(
    others.map(({ byteLength }) => byteLength),
    [100_000, 100_000, 100_000],
  );
});

test("what is compressed and written is complete, though its chunks are freed", async () => {
  const expected = Buffer.concat(chunks(40));
  for (const type of ["uncompressed", "gzip", "zstd"] as const) {
    const direct = await collect(compress(bytesOf(expected), { type }), 1e8, what);
    const source: Bytes = compress(yieldedBy(chunks(40)), { type });
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "out");
    await writeOutput(path, source, {});
    assert.ok((await readFile(path)).equals(direct), type);
  }
});
