import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as fc from "fast-check";
import { bytesOf, collect } from "../../io/index.ts";
import type { TarInput } from "../index.ts";
import { createLayer, writeTar } from "../index.ts";
import { memberPieces } from "./members.ts";
import type { LayerMember, MemberCache } from "./write.ts";

const what = { what: "the layer" };

async function archiveOf(files: ReadonlyMap<string, Buffer>): Promise<Buffer> {
  const inputs = [...files].map(([path, body]): TarInput => ({ path, body }));
  return await collect(writeTar(inputs), 1e9, what);
}

async function* cut(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield await Promise.resolve(data.subarray(at, at + size));
}

async function pieces(tar: Buffer, size = tar.length): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const piece of memberPieces(cut(tar, size))) found.push(piece);
  return found;
}

/** Small files and a large one. */
function tree(count: number): Map<string, Buffer> {
  const files = Array.from({ length: count }, (_, at) => [`d${at % 7}/f${at}`, text(at, 3000 + (at % 5000))] as const);
  return new Map([...files, ["large", text(count, 2_500_000)], ["last", text(1, 10)]]);
}

function text(seed: number, size: number): Buffer {
  const words = Array.from({ length: 40 }, (_, at) => ((seed + 1) * (at + 7) * 2_654_435_761).toString(36));
  return Buffer.alloc(size, words.join(" "));
}

/** A cache of everything that was written so far. */
class Written implements MemberCache {
  readonly #members = new Map<string, Buffer>();
  found = 0;

  add(blob: Buffer, members: readonly LayerMember[]): void {
    for (const { key, offset, size } of members) this.#members.set(key, blob.subarray(offset, offset + size));
  }

  find(key: string): Promise<Buffer | undefined> {
    const known = this.#members.get(key);
    if (known !== undefined) this.found += 1;
    return Promise.resolve(known);
  }
}

async function create(tar: Buffer, members?: MemberCache): Promise<{ blob: Buffer; members: readonly LayerMember[] }> {
  const layer = createLayer(bytesOf(tar), { compression: "gzip", members });
  const blob = await collect(layer.bytes, 1e9, what);
  return { blob, members: (await layer.result).members };
}

test("pieces are the archive, within their bounds, however it is cut", async () => {
  const tar = await archiveOf(tree(400));
  const whole = await pieces(tar);
  assert.ok(Buffer.concat(whole).equals(tar));
  assert.ok(whole.length > 5);
  for (const [at, piece] of whole.entries()) {
    assert.ok(piece.length <= 1_048_576);
    if (at < whole.length - 1) assert.ok(piece.length >= 131_072, `${piece.length}`);
  }
  for (const size of [777, 4096, 300_000]) assert.deepEqual(await pieces(tar, size), whole);
  assert.deepEqual(await pieces(Buffer.alloc(0)), [Buffer.alloc(0)]);
});

test("a file that is added, changed or removed changes the pieces around it", async () => {
  const files = tree(1500);
  const before = new Set((await pieces(await archiveOf(files))).map((piece) => piece.toString("latin1")));
  for (const change of [
    (all: Map<string, Buffer>) => all.set("d1/f1", Buffer.from("changed")),
    (all: Map<string, Buffer>) => all.delete("d0/f700"),
    (all: Map<string, Buffer>) => new Map([["0 first", randomBytes(5000)], ...all]),
  ]) {
    const changed = new Map(files);
    const result = change(changed);
    const after = await pieces(await archiveOf(result instanceof Map ? result : changed));
    const fresh = after.filter((piece) => !before.has(piece.toString("latin1"))).length;
    assert.ok(fresh >= 1 && fresh <= 3, `${fresh} of ${after.length} pieces are new`);
  }
});

test("a blob is the same with and without earlier members, and needs few of its own", async () => {
  const files = tree(1500);
  const written = new Written();
  const first = await create(await archiveOf(files), written);
  assert.equal(written.found, 0);
  written.add(first.blob, first.members);
  files.set("d2/f2", Buffer.from("changed"));
  const tar = await archiveOf(files);
  const second = await create(tar, written);
  assert.ok(written.found >= second.members.length - 3, `${written.found} of ${second.members.length}`);
  assert.ok(second.blob.equals((await create(tar)).blob));
  assert.ok(gunzipSync(second.blob).equals(tar));
});

test("contents that look like headers are kept as they are", async () => {
  const inner = await archiveOf(new Map(Array.from({ length: 3000 }, (_, at) => [`${at}`, text(at, at % 3)] as const)));
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 512 }), fc.integer({ min: 2000, max: 99_999 }), async (shift, size) => {
      const tar = await archiveOf(new Map([["inner.tar", Buffer.concat([Buffer.alloc(shift), inner])]]));
      assert.ok(Buffer.concat(await pieces(tar, size)).equals(tar));
    }),
    { numRuns: 10 },
  );
});
