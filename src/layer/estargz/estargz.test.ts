import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { rawArchive, rawEntry } from "../../../testing/raw-tar.ts";
import { digestOf, isVarveError } from "../../core/index.ts";
import { type Bytes, bytesOf, collect } from "../../io/index.ts";
import {
  type BlobReader,
  createLayer,
  type CreatedLayer,
  readTar,
  type TarInput,
  tocOffsetOf,
  verifyEstargz,
  writeTar,
} from "../index.ts";
import { encodeFooter, FOOTER_SIZE } from "./footer.ts";

const what = { what: "the test" };
const LIMIT = 200_000_000;
const CHUNK = 4_194_304;

interface Made extends CreatedLayer {
  readonly blob: Buffer;
}

async function made(tar: Bytes, level?: number): Promise<Made> {
  const { bytes, result } = createLayer(tar, { compression: "estargz", level });
  const blob = await collect(bytes, LIMIT, what);
  return { blob, ...(await result) };
}

const archive = (inputs: readonly TarInput[]): Promise<Buffer> => collect(writeTar(inputs), LIMIT, what);

function readerOf(blob: Buffer): BlobReader {
  return { size: blob.length, open: (offset, length) => bytesOf(blob.subarray(offset, offset + length)) };
}

async function* cut(data: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield await Promise.resolve(data.subarray(at, at + size));
}

interface Entry {
  name: string;
  type: string;
  size?: number;
  offset?: number;
  chunkOffset?: number;
  chunkSize?: number;
  chunkDigest?: string;
  digest?: string;
  mode?: number;
  xattrs?: Record<string, string>;
  [other: string]: unknown;
}

interface Toc {
  version: number;
  entries: Entry[];
}

/** The text of a blob's table of contents and where its member begins, without our own reader. */
function tocOf(blob: Buffer): { offset: number; json: string; toc: Toc } {
  const digits = blob.subarray(-FOOTER_SIZE).toString("latin1", 16, 32);
  const offset = Number.parseInt(digits, 16);
  const tar = gunzipSync(blob.subarray(offset));
  const size = Number.parseInt(tar.toString("latin1", 124, 136), 8);
  const json = tar.toString("utf8", 512, 512 + size);
  return { offset, json, toc: JSON.parse(json) as Toc };
}

/** A file's content, by nothing but what the table says. */
function contentOf(blob: Buffer, toc: Toc, name: string): Buffer {
  const at = toc.entries.findIndex((entry) => entry.name === name);
  const chunks = [toc.entries[at] as Entry];
  for (let next = at + 1; toc.entries[next]?.type === "chunk"; next += 1) chunks.push(toc.entries[next] as Entry);
  const { size = 0 } = chunks[0] as Entry;
  if (size === 0) return Buffer.alloc(0);
  const parts = chunks.map(({ offset = 0, chunkOffset = 0, chunkSize = 0, chunkDigest }) => {
    const plain = gunzipSync(blob.subarray(offset)).subarray(0, chunkSize === 0 ? size - chunkOffset : chunkSize);
    assert.equal(digestOf(plain), chunkDigest);
    return plain;
  });
  return Buffer.concat(parts);
}

const fileEntry = fc.record({
  type: fc.constant("file" as const),
  body: fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 100_000 }),
  mtime: fc.bigInt({ min: -10_000_000_000n, max: 10_000_000_000_000_000_000n }),
  xattrs: fc.constantFrom(
    undefined,
    new Map([
      ["user.a", Buffer.from([0, 255])],
      ["security.capability", Buffer.from("x")],
    ]),
  ),
});
const otherEntry = fc.oneof(
  fc.record({ type: fc.constant("directory" as const), gid: fc.integer({ min: 0, max: 9 }) }),
  fc.record({
    type: fc.constantFrom("symlink" as const, "hardlink" as const),
    linkPath: fc.constantFrom("a", "b/é", "é\xff"),
  }),
  fc.record({ type: fc.constantFrom("char" as const, "block" as const), devMajor: fc.nat(9), devMinor: fc.nat(9) }),
  fc.record({ type: fc.constant("fifo" as const) }),
);
const name = fc.constantFrom("f", "d/<&>", "\xc3\xa9", "\xff\xfe", "n".repeat(150), "d/.wh.x", "__proto__");
const inputs = fc
  .array(fc.tuple(name, fc.oneof(fileEntry, otherEntry)), { maxLength: 12 })
  .map((entries) => entries.map(([path, entry], index): TarInput => ({ ...entry, path: `${index}/${path}` })));

test("an archive becomes eStargz without the loss of a byte, and its table says what it holds", async () => {
  await fc.assert(
    fc.asyncProperty(inputs, fc.integer({ min: 0, max: 9 }), async (entries, level) => {
      const tar = await archive(entries);
      const { blob, diffId, annotations } = await made(bytesOf(tar), level);
      const plain = gunzipSync(blob);
      assert.deepEqual(plain.subarray(0, tar.length), tar);
      const { json, toc } = tocOf(blob);
      const table = await archive([{ path: "stargz.index.json", mode: 0, body: json }]);
      assert.deepEqual(plain.subarray(tar.length), table);
      assert.equal(digestOf(plain), diffId);
      assert.deepEqual(annotations, {
        "containerd.io/snapshot/stargz/toc.digest": digestOf(json),
        "io.containers.estargz.uncompressed-size": String(plain.length),
      });
      assert.equal(toc.entries.length, entries.length);
      for (const [index, entry] of entries.entries()) {
        const listed = toc.entries[index] as Entry;
        const body = (entry.body ?? Buffer.alloc(0)) as Buffer;
        assert.deepEqual(contentOf(blob, toc, listed.name), body);
        assert.equal(listed.digest, entry.type === "file" ? digestOf(body) : undefined);
      }
      assert.partialDeepStrictEqual(await verifyEstargz(readerOf(blob)), { kind: "verified" });
    }),
    { numRuns: 60 },
  );
});

function large(size: number): Buffer {
  const data = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 64) data.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at);
  return data;
}

const SIZES = [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 9_000_000];
const LARGE: TarInput[] = SIZES.flatMap((size) => [
  { path: `d${size}`, type: "directory" },
  { path: `d${size}/f`, body: large(size) },
]);

test("large files are cut into chunks, each of which can be read by itself", async () => {
  const { blob } = await made(writeTar(LARGE));
  const { toc } = tocOf(blob);
  for (const size of SIZES) assert.deepEqual(contentOf(blob, toc, `d${size}/f`), large(size));
  assert.equal(toc.entries.filter(({ type }) => type === "chunk").length, 4);
  assert.deepEqual(
    toc.entries
      .filter(({ name: path }) => path === "d8388608/f")
      .map(({ chunkOffset, chunkSize }) => [chunkOffset, chunkSize]),
    [
      [undefined, CHUNK],
      [CHUNK, CHUNK],
    ],
  );
  assert.partialDeepStrictEqual(await verifyEstargz(readerOf(blob)), { kind: "verified" });
});

test("the same archive gives the same blob, however it arrives", async () => {
  const tar = await archive([...LARGE.slice(0, 4), { path: "small", body: "small" }]);
  const { blob } = await made(bytesOf(tar));
  for (const size of [700, 65_536, 1_000_003]) assert.ok((await made(cut(tar, size))).blob.equals(blob));
  assert.ok(!(await made(bytesOf(tar), 1)).blob.equals(blob));
});

/** Stored, so that the compression library has no part in the bytes: they are those of members, table and footer. */
test("a blob is laid out as digests rest on", async () => {
  const tar = await archive([
    { path: "d", type: "directory" },
    { path: "d/f", body: "text" },
    { path: "g", body: "more" },
  ]);
  const { blob, annotations } = await made(bytesOf(tar), 0);
  assert.deepEqual(
    [digestOf(blob), annotations["containerd.io/snapshot/stargz/toc.digest"]],
    [
      "sha256:6c1f89399a1595a9672a393c4ee8c5bc569e058085f5e52439cd6f9ef83259f7",
      "sha256:bd3d0a39156be2766f4897360ec8edd1c604cf524b242e2006527b655e440f7d",
    ],
  );
});

test("a table that does not fit in memory goes by way of a file", async () => {
  const entries = Array.from({ length: 40_000 }, (_, index): TarInput => ({
    path: `dir/${"x".repeat(80)}${index}`,
    type: "directory",
  }));
  const { blob, annotations } = await made(writeTar([...entries, { path: "f", body: "f" }]));
  const { json, toc } = tocOf(blob);
  assert.ok(json.length > 4_194_304, String(json.length));
  assert.equal(digestOf(json), annotations["containerd.io/snapshot/stargz/toc.digest"]);
  assert.equal(toc.entries.length, 40_001);
  assert.partialDeepStrictEqual(await verifyEstargz(readerOf(blob)), { kind: "verified" });
});

test("an archive without end marker, with data behind it, or empty, stays what it is", async () => {
  const tar = await archive([{ path: "f", body: "text" }]);
  const behind = Buffer.concat([tar, Buffer.from("data"), Buffer.alloc(5000)]);
  for (const whole of [tar.subarray(0, 1024), behind, await archive([])]) {
    const { blob } = await made(bytesOf(whole));
    assert.deepEqual(gunzipSync(blob).subarray(0, whole.length), whole);
    assert.partialDeepStrictEqual(await verifyEstargz(readerOf(blob)), { kind: "verified" });
  }
});

test("who unpacks the blob as gzip sees the archive's entries and no table", async () => {
  const { blob } = await made(writeTar([{ path: "f", body: "text" }]));
  const paths: string[] = [];
  for await (const { path } of readTar(bytesOf(gunzipSync(blob)))) paths.push(path);
  assert.deepEqual(paths, ["f"]);
});

test("what the format cannot say is refused", async () => {
  const unsupported = (error: unknown): boolean => isVarveError(error, "unsupported");
  await assert.rejects(made(writeTar([{ path: "stargz.index.json", body: "{}" }])), unsupported);
  await assert.rejects(made(bytesOf(rawArchive(rawEntry({ name: "./stargz.index.json" })))), unsupported);
  await assert.rejects(made(bytesOf(Buffer.alloc(700, "x"))), (error) => isVarveError(error, "corrupt"));
});

/** A blob with another table of contents; `archiveEnd` is where its member is put. */
function withTable(blob: Buffer, tar: Buffer, archiveEnd: number = tocOf(blob).offset): Buffer {
  return Buffer.concat([blob.subarray(0, archiveEnd), gzipSync(tar), encodeFooter(archiveEnd)]);
}

const table = (text: string): Promise<Buffer> => archive([{ path: "stargz.index.json", mode: 0, body: text }]);

test("a table that lies about anything is not verified", async () => {
  const { blob } = await made(
    writeTar([
      { path: "d", type: "directory" },
      { path: "d/a", body: "content of a", xattrs: new Map([["user.x", Buffer.from("1")]]) },
      { path: "d/b", body: large(CHUNK + 5) },
      { path: "d/empty" },
      { path: "l", type: "symlink", linkPath: "d/a" },
    ]),
  );
  const { toc, json } = tocOf(blob);
  const a = 1;
  const b = 2;
  const other = digestOf("other");
  const lie = (index: number, fields: object) => (entries: Entry[]) => Object.assign(entries[index] as Entry, fields);
  const { offset: at = 0 } = toc.entries[a] as Entry;
  const lies: readonly ((entries: Entry[]) => unknown)[] = [
    ...["name", "linkName", "modtime", "digest", "chunkDigest", "type"].map((key) => lie(a, { [key]: "x" })),
    ...["size", "mode", "uid", "gid", "devMajor", "devMinor", "chunkOffset"].map((key) => lie(a, { [key]: 1 })),
    ...[0, at - 1, at + 1, -1, 1.5, 1e300, "8", null, blob.length, blob.length * 2].map((offset) => lie(a, { offset })),
    ...[digestOf("other"), "", 7, `${other} `, "sha256:"].flatMap((digest) => [
      lie(a, { digest }),
      lie(b, { chunkDigest: digest }),
    ]),
    lie(a, { xattrs: {} }),
    lie(a, { xattrs: { "user.x": "Mg==" } }),
    lie(a, { xattrs: "x" }),
    lie(a, { Name: "evil" }),
    lie(a, { innerOffset: 1 }),
    lie(a, { innerOffset: -1 }),
    lie(a, { chunkSize: 3 }),
    lie(a, { chunkSize: 1e9 }),
    lie(b, { chunkSize: 0 }),
    lie(b, { chunkSize: CHUNK + 1 }),
    lie(3, { chunkOffset: CHUNK - 1 }),
    lie(3, { name: "d/a" }),
    lie(4, { offset: at }),
    lie(4, { digest: other }),
    lie(5, { linkName: 7 }),
    (entries) => entries.pop(),
    (entries) => entries.splice(a, 1),
    (entries) => entries.push({ name: "more", type: "dir" }),
    (entries) => entries.push(entries[a] as Entry),
    (entries) => entries.reverse(),
  ];
  for (const [index, change] of lies.entries()) {
    const copy = structuredClone(toc);
    change(copy.entries);
    const forged = withTable(blob, await table(JSON.stringify(copy)));
    assert.equal((await verifyEstargz(readerOf(forged))).kind, "not-verified", `${index}: ${String(change)}`);
  }
  const texts = ["", "{}", "[]", "null", json.slice(0, -2), `${json}x`, json.replace('"version":1', '"version":2')];
  const malformed = [
    '{"version":1,"entries":{}}',
    '{"version":1,"entries":[1]}',
    '{"version":1,"entries":[{},{}',
    json.replace("},", "}"),
  ];
  for (const text of [
    ...texts,
    ...malformed,
    json.replace("},", "},,"),
    json.replace("[", "[,"),
    `{"version":1,"entries":[{${"[".repeat(9000)}`,
  ]) {
    const forged = withTable(blob, await table(text));
    assert.equal((await verifyEstargz(readerOf(forged))).kind, "not-verified", text.slice(0, 80));
  }
  const again = withTable(blob, await table(JSON.stringify(toc, undefined, "\t")));
  assert.partialDeepStrictEqual(await verifyEstargz(readerOf(again)), { kind: "verified" });
});

test("a table that is not the last entry, or no table, or no footer, is not verified", async () => {
  const { blob } = await made(writeTar([{ path: "a", body: "a" }]));
  const { json, offset } = tocOf(blob);
  const whole = await table(json);
  const forged = [
    withTable(
      blob,
      await archive([
        { path: "stargz.index.json", body: json },
        { path: "after", body: "x" },
      ]),
    ),
    withTable(blob, await archive([{ path: "before" }, { path: "stargz.index.json", body: json }])),
    withTable(blob, await archive([{ path: "other.json", body: json }])),
    withTable(blob, await archive([{ path: "stargz.index.json", type: "directory" }])),
    withTable(blob, await archive([])),
    withTable(blob, Buffer.from("no archive")),
    withTable(blob, whole, offset - 1),
    Buffer.concat([blob.subarray(0, offset), encodeFooter(offset)]),
    Buffer.concat([blob.subarray(0, offset), gzipSync(whole), encodeFooter(offset + 1)]),
    Buffer.concat([blob.subarray(0, offset), Buffer.from("garbage"), encodeFooter(offset)]),
    Buffer.concat([blob, Buffer.from("x")]),
    blob.subarray(0, -1),
    encodeFooter(0),
    Buffer.alloc(0),
    gzipSync(whole),
  ];
  for (const [index, one] of forged.entries())
    assert.equal((await verifyEstargz(readerOf(one))).kind, "not-verified", String(index));
});

test("names that come twice in the archive itself are not verified", async () => {
  const { blob } = await made(
    writeTar([
      { path: "a", body: "one" },
      { path: "a", body: "two" },
    ]),
  );
  assert.partialDeepStrictEqual(await verifyEstargz(readerOf(blob)), { kind: "not-verified" });
});

test("a table that is a bomb is refused before it has been read", async () => {
  const { blob } = await made(writeTar([{ path: "a", body: "a" }]));
  const { offset } = tocOf(blob);
  const spaces = Buffer.alloc(60_000_000, " ");
  for (const text of ["", '{"version":1,"entries":[{"name":"']) {
    const tar = await archive([{ path: "stargz.index.json", body: Buffer.concat([Buffer.from(text), spaces]) }]);
    const forged = withTable(blob, tar, offset);
    let read = 0;
    const reader: BlobReader = {
      size: forged.length,
      async *open(from, length) {
        for await (const piece of cut(forged.subarray(from, from + length), 1000)) {
          if (from === offset) read += piece.length;
          yield piece;
        }
      },
    };
    assert.partialDeepStrictEqual(await verifyEstargz(reader), { kind: "not-verified" });
    assert.ok(read < 40_000, `${read} of ${forged.length - offset} bytes were read`);
  }
});

test("errors of reading a blob are not a verdict on it", async () => {
  const { blob } = await made(writeTar([{ path: "a", body: "a" }]));
  const failure = new Error("the disk is gone");
  const reader: BlobReader = {
    size: blob.length,
    // oxlint-disable-next-line require-yield, require-await -- a stream that fails at once
    open: async function* (offset, length) {
      if (offset === 0) throw failure;
      yield blob.subarray(offset, offset + length);
    },
  };
  await assert.rejects(verifyEstargz(reader), failure);
});

test("a footer says where the table is", async () => {
  const { blob } = await made(writeTar([]));
  assert.equal(await tocOffsetOf(readerOf(blob)), tocOf(blob).offset);
  assert.equal(
    encodeFooter(0xabc).toString("hex"),
    "1f8b08040000000000ff1a00534716003030303030303030303030303061626353544152475a010000ffff0000000000000000",
  );
  assert.equal(gunzipSync(encodeFooter(1)).length, 0);
});
