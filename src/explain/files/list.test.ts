import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import * as fc from "fast-check";
import { VarveError, digestOf } from "../../core/index.ts";
import type { ContentEntry } from "../../contenthash/index.ts";
import { decodeFiles } from "./codec.ts";
import { compareLists } from "./compare.ts";
import { CHUNK_ID_BYTES, countOf, entriesOf, fileListOf } from "./list.ts";

interface Given {
  readonly text?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly link?: string;
  readonly kind?: ContentEntry["header"]["kind"];
  readonly xattrs?: ContentEntry["header"]["xattrs"];
}

function entry(
  path: string,
  { text = "x", mode = 0o644, uid = 0, link = "", kind = "file", xattrs = [] }: Given,
): ContentEntry {
  const size = Buffer.byteLength(text);
  const header = { kind, mode, uid, gid: uid, size, linkname: link, major: 0, minor: 0, xattrs };
  return { path, header, digest: digestOf(JSON.stringify([text, mode, uid, link, kind, xattrs])) };
}

function listOf(files: Readonly<Record<string, Given>>): ReturnType<typeof fileListOf> {
  return fileListOf(Object.entries(files).map(([path, given]) => entry(path, given)));
}

function changes(before: Readonly<Record<string, Given>>, after: Readonly<Record<string, Given>>): unknown[] {
  return compareLists(listOf(before), listOf(after)).changes.map(({ path, aspects }) => [path, ...aspects]);
}

test("each aspect of a file is told apart", () => {
  const file = { "/a": {} };
  assert.deepEqual(changes(file, { "/a": { text: "xyz" } }), [["a", { kind: "content", before: 1, after: 3 }]]);
  assert.deepEqual(changes(file, { "/a": { text: "y" } }), [["a", { kind: "content", before: 1, after: 1 }]]);
  assert.deepEqual(changes(file, { "/a": { mode: 0o664 } }), [["a", { kind: "mode", before: 0o644, after: 0o664 }]]);
  assert.deepEqual(changes(file, { "/a": { uid: 7 } }), [["a", { kind: "owner", before: "0:0", after: "7:7" }]]);
  assert.deepEqual(changes(file, { "/b": {} }), [["b", { kind: "renamed", from: "a" }]]);
  assert.deepEqual(changes(file, { "/a": {}, "/b": { text: "b" } }), [["b", { kind: "added" }]]);
  assert.deepEqual(changes({ ...file, "/b": {} }, file), [["b", { kind: "removed" }]]);
  assert.deepEqual(changes(file, { "/a": { kind: "directory", mode: 0o755 } }), [
    ["a/", { kind: "type", before: "file", after: "directory" }],
  ]);
  const link = { kind: "symlink" as const, mode: 0o777, text: "" };
  assert.deepEqual(changes({ "/l": { ...link, link: "a" } }, { "/l": { ...link, link: "/b" } }), [
    ["l", { kind: "target", before: "a", after: "/b" }],
  ]);
  assert.deepEqual(changes(file, { "/a": { xattrs: [["user.k", Buffer.from("v")]] } }), [
    ["a", { kind: "xattr", names: ["user.k"] }],
  ]);
});

test("files below a directory that was added or removed are not told one by one", () => {
  const directory = { kind: "directory" as const, mode: 0o755 };
  const tree = { "/d": directory, "/d/a": {}, "/d/e": directory, "/d/e/b": { text: "b" } };
  assert.deepEqual(changes({}, tree), [["d/", { kind: "added" }]]);
  assert.deepEqual(changes(tree, {}), [["d/", { kind: "removed" }]]);
});

const files = fc.dictionary(
  fc.stringMatching(/^[a-f]{1,3}$/).map((name) => `/${name}`),
  fc.record({ text: fc.string({ maxLength: 3 }), mode: fc.constantFrom(0o644, 0o755) }),
  { maxKeys: 300 },
);

test("two lists differ in exactly the paths in which the trees differ", () => {
  fc.assert(
    fc.property(files, files, (before, after) => {
      const told = new Set(
        compareLists(listOf(before), listOf(after)).changes.flatMap(({ path, aspects: [aspect] }) =>
          aspect?.kind === "renamed" ? [`/${path}`, `/${aspect.from}`] : [`/${path}`],
        ),
      );
      const paths = new Set([...Object.keys(before), ...Object.keys(after)]);
      const differing = [...paths].filter((path) => JSON.stringify(before[path]) !== JSON.stringify(after[path]));
      assert.deepEqual([...told].sort(), differing.sort());
    }),
  );
});

test("a chunk is read back as it was written, and any other bytes are refused or read", () => {
  fc.assert(
    fc.property(files, (given) => {
      const list = listOf(given);
      const read = entriesOf(list.chunks);
      assert.deepEqual(
        read.map(({ path, size, mode }) => [path, size, mode]),
        Object.entries(given).map(([path, { text, mode }]) => [path, Buffer.byteLength(text), mode]),
      );
      assert.equal(countOf(list), read.length);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeFiles(bytes);
      } catch (error) {
        assert.ok(error instanceof VarveError && error.code === "corrupt");
      }
    }),
  );
});

test("lists of 10,000 files share their chunks after a change, and stay small", () => {
  const tree: Record<string, Given> = {};
  for (let n = 0; n < 10_000; n += 1) tree[`/src/package-${n % 100}/lib/module-${n}.ts`] = { text: `text ${n * 7919}` };
  const before = listOf(tree);
  assert.ok(deflateRawSync(Buffer.concat(before.chunks.map(({ bytes }) => bytes))).length < 200_000);
  const stored = new Map(before.chunks.map(({ id, bytes }) => [id, bytes.length]));
  let ids = before.chunks.length;
  for (let n = 0; n < 50; n += 1) {
    tree[`/src/package-${n}/lib/module-${n}.ts`] = { text: "changed" };
    const { chunks } = listOf(tree);
    assert.equal(chunks.filter(({ id }) => !stored.has(id)).length, 1);
    for (const { id, bytes } of chunks) stored.set(id, bytes.length);
    ids += chunks.length;
  }
  const bytes = stored.values().reduce((sum, length) => sum + length, 0) + (ids + stored.size) * CHUNK_ID_BYTES;
  assert.ok(bytes < 2_000_000, `${bytes}`);
});
