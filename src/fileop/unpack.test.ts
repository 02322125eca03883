import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { collect, temporaryDirectory } from "../io/index.ts";
import { writeTar } from "../layer/index.ts";
import { unpack } from "./unpack.ts";

async function archive(): Promise<Buffer> {
  const inputs = [
    { path: "d", type: "directory", mode: 0o750 },
    { path: "d/f", body: "content", mode: 0o640, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
  ] as const;
  return await collect(writeTar(inputs), 1_000_000, { what: "archive" });
}

test("archives of any compression are unpacked", async () => {
  await using directory = await temporaryDirectory("varve-unpack-");
  const tar = await archive();
  for (const [name, bytes] of [
    ["plain", tar],
    ["gzip", gzipSync(tar)],
    ["zstd", zstdCompressSync(tar)],
    ["followed", Buffer.concat([gzipSync(tar), Buffer.from("garbage")])],
  ] as const) {
    const [file, target] = [join(directory.path, `${name}.archive`), join(directory.path, name)];
    writeFileSync(file, bytes);
    let prepared = 0;
    const prepare = (): void => {
      prepared += 1;
      mkdirSync(target);
    };
    assert.equal(await unpack(file, target, { what: "archive", prepare, owner: undefined, signal: undefined }), true);
    assert.equal(prepared, 1);
    assert.equal(readFileSync(join(target, "d/f"), "utf8"), "content");
    assert.equal(lstatSync(join(target, "d/f")).mode & 0o777, 0o640);
  }
});

test("a file that is not an archive is not changed", async () => {
  await using directory = await temporaryDirectory("varve-unpack-");
  const file = join(directory.path, "file");
  const prepare = (): never => assert.fail("prepared");
  const tar = await archive();
  const cases = [
    Buffer.alloc(0),
    Buffer.alloc(1024),
    Buffer.from("text"),
    gzipSync("text"),
    gzipSync(tar).subarray(0, 20),
    Buffer.alloc(600, 1),
  ];
  for (const bytes of cases) {
    writeFileSync(file, bytes);
    assert.equal(
      await unpack(file, join(directory.path, "t"), { what: "archive", prepare, owner: undefined, signal: undefined }),
      false,
    );
  }
  assert.deepEqual(readdirSync(directory.path), ["file"]);
});
