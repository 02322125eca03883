import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { recordsMissing, type TemporaryRecords, temporaryRecords } from "../../../testing/records.ts";
import { type Digest, digestOf } from "../../core/index.ts";
import { bytesOf, collect } from "../../io/index.ts";
import { createLayer, type TarInput, writeTar } from "../../layer/index.ts";
import { SCRATCH } from "../types.ts";

const skip = recordsMissing() ?? false;
const what = { what: "the test" };

/** An archive of a thousand files, one of which has this text. */
async function archive(text: string): Promise<Buffer> {
  const files = Array.from({ length: 1000 }, (_, at): TarInput => {
    const body = Buffer.alloc(2000 + (at % 3000), at === 500 ? text : digestOf(`${at}`));
    return { path: `d/${at}`, body };
  });
  return await collect(writeTar(files), 1e9, what);
}

async function add({ records, hold }: TemporaryRecords, tar: Buffer): Promise<Digest> {
  const row = await records.addArchive(SCRATCH, bytesOf(tar), { compression: "gzip" }, hold);
  assert.ok(row.blob !== undefined);
  return row.blob.digest;
}

async function freshDigest(tar: Buffer): Promise<Digest> {
  return digestOf(await collect(createLayer(bytesOf(tar), { compression: "gzip" }).bytes, 1e9, what));
}

function membersOf({ state }: TemporaryRecords, blob: Digest): number {
  return state.get<{ n: number }>("SELECT count(*) AS n FROM blob_member WHERE blob = ?", blob)?.n ?? 0;
}

function pathOf({ root }: TemporaryRecords, digest: Digest): string {
  return join(root, "content/blobs/sha256", digest.slice(7));
}

test("a changed layer takes members of the one before, and has the bytes of a new one", { skip }, async (t) => {
  await using fixture = await temporaryRecords();
  const [before, after] = [await archive("before"), await archive("after")];
  const first = await add(fixture, before);
  const members = membersOf(fixture, first);
  assert.ok(members > 8, `${members}`);
  const opened = t.mock.method(fixture.content, "openVerified");
  const second = await add(fixture, after);
  assert.equal(opened.mock.callCount(), 1);
  assert.equal(second, await freshDigest(after));
  assert.equal((await fixture.content.check(second))?.digest, second);
});

test("a damaged blob, and one that is gone, give no members", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const [before, after, third] = [await archive("before"), await archive("after"), await archive("third")];
  const first = await add(fixture, before);
  const bytes = readFileSync(pathOf(fixture, first));
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  chmodSync(pathOf(fixture, first), 0o644);
  writeFileSync(pathOf(fixture, first), bytes);
  const second = await add(fixture, after);
  assert.equal(second, await freshDigest(after));
  rmSync(pathOf(fixture, second), { force: true });
  const last = await add(fixture, third);
  assert.equal(last, await freshDigest(third));
  assert.deepEqual(
    [first, second].map((blob) => membersOf(fixture, blob)),
    [0, 0],
  );
  assert.ok(membersOf(fixture, last) > 8);
});
