import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf, isVarveError } from "../core/index.ts";
import { bytesOf, collect, compress, decompress, temporaryDirectory } from "../io/index.ts";
import { hasCapability } from "../linux/index.ts";
import { needsRoot } from "../../testing/overlays.ts";
import { describeTree } from "../../testing/trees.ts";
import { rawArchive, rawEntry } from "../../testing/raw-tar.ts";
import {
  ARCHIVE_HEAD,
  applyLayer,
  archiveKind,
  checkedTar,
  createLayer,
  extractArchive,
  isArchive,
  writeTar,
} from "./index.ts";

const what = { what: "the test" };
const chown = hasCapability("chown");
const archive = (): Promise<Buffer> =>
  collect(
    writeTar([
      { path: "d/.wh.f", uid: 3, body: "content" },
      { path: "g", body: "" },
    ]),
    1e6,
    what,
  );

async function into(data: Uint8Array): Promise<string[]> {
  await using directory = await temporaryDirectory();
  await extractArchive({ bytes: bytesOf(data) }, directory.path, { chown });
  return describeTree(directory.path).map((line) => line.split('"')[1] ?? "");
}

function tool(name: string, input: Uint8Array): Buffer | undefined {
  try {
    return execFileSync(name, ["-c"], { input });
  } catch {
    return undefined;
  }
}

test("archives of every kind are told and unpacked; names of whiteouts are names", async (t) => {
  const tar = await archive();
  const kinds: [string, Buffer | undefined][] = [
    ["tar", tar],
    ["gzip", gzipSync(tar)],
    ["zstd", zstdCompressSync(tar)],
    ["bzip2", tool("bzip2", tar)],
    ["xz", tool("xz", tar)],
  ];
  for (const [kind, data] of kinds) {
    await t.test(kind, async (t) => {
      if (data === undefined) return t.skip(`no ${kind} on this machine`);
      assert.deepEqual(await into(data), ["d", "d/.wh.f", "g"]);
    });
  }
});

test("what is no archive is refused, and not what ADD unpacks", async () => {
  await using directory = await temporaryDirectory();
  const file = `${directory.path}/file`;
  const judged = async (data: Uint8Array): Promise<boolean> => {
    writeFileSync(file, data);
    return await isArchive(file, "the file");
  };
  const text = Buffer.from("FROM scratch\n".repeat(100));
  for (const data of [text, text.subarray(0, 10), gzipSync(text), zstdCompressSync(text), Buffer.from("\x1f\x8bno")]) {
    await assert.rejects(into(data), (error) => isVarveError(error, "corrupt"));
    assert.equal(await judged(data), false);
  }
  for (const data of [Buffer.alloc(0), gzipSync(""), Buffer.alloc(1024)]) {
    assert.deepEqual(await into(data), []);
    assert.equal(await judged(data), false);
  }
  for (const data of [await archive(), gzipSync(await archive())]) assert.equal(await judged(data), true);
  symlinkSync("file", `${directory.path}/link.tar`);
  mkdirSync(`${directory.path}/d`);
  for (const name of ["d", "link.tar", "none"]) {
    const path = `${directory.path}/${name}`;
    assert.equal(await isArchive(path, name), false);
    await assert.rejects(extractArchive({ path }, directory.path), (error) => isVarveError(error, "not-found"));
  }
});

test("a damaged archive is corrupt once it has begun", async (t) => {
  const noise = Buffer.alloc(3000);
  for (let at = 0; at < noise.length; at += 1) noise[at] = (at * at * 31) % 251;
  const tar = rawArchive(rawEntry({ name: "a", data: "x" }), rawEntry({ name: "b", data: noise }));
  const damaged: Buffer[] = [tar.subarray(0, 2000), gzipSync(tar.subarray(0, 2000))];
  const kinds = [gzipSync(tar), tool("bzip2", tar), tool("xz", tar)];
  if (kinds.includes(undefined)) t.diagnostic("bzip2 or xz is not installed");
  for (const data of kinds.filter((each) => each !== undefined)) {
    const wrong = Buffer.from(data);
    wrong[wrong.length - 6] = (wrong[wrong.length - 6] ?? 0) ^ 1;
    damaged.push(wrong);
  }
  // In these two formats the first entry can be had of a part.
  const [gzip = Buffer.alloc(0), , xz] = kinds;
  damaged.push(gzip.subarray(0, gzip.length >> 1), gzip.subarray(0, -1));
  if (xz !== undefined) damaged.push(xz.subarray(0, -20));
  for (const [index, data] of damaged.entries())
    await assert.rejects(into(data), (error) => isVarveError(error, "corrupt"), String(index));
});

test("an archive ends where its compressed data does, whatever follows", async (t) => {
  const tar = await archive();
  const more = rawArchive(rawEntry({ name: "more" }));
  const tails = [Buffer.alloc(1), Buffer.alloc(512), Buffer.from("garbage".repeat(100)), Buffer.from([0x1f]), more];
  const kinds = { gzip: gzipSync(tar), zstd: zstdCompressSync(tar), bzip2: tool("bzip2", tar) };
  for (const [kind, data] of Object.entries(kinds))
    await t.test(kind, async (t) => {
      if (data === undefined) return t.skip(`no ${kind} on this machine`);
      for (const tail of tails) assert.deepEqual(await into(Buffer.concat([data, tail])), ["d", "d/.wh.f", "g"]);
    });
});

test("what begins an archive is told by its content", async () => {
  const tar = await archive();
  const head = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, ARCHIVE_HEAD);
  const cases: readonly (readonly [Uint8Array, ReturnType<typeof archiveKind>])[] = [
    [tar, "tar"],
    [rawArchive(rawEntry({ typeFlag: "x", data: "" })), "tar"],
    [Buffer.alloc(1024), "tar"],
    [gzipSync(tar), "gzip"],
    [gzipSync("text").subarray(0, 10), "gzip"],
    [zstdCompressSync(tar), "zstd"],
    [tar.subarray(0, 511), undefined],
    [rawArchive(rawEntry({ checksum: "000000\0 " })), undefined],
    [Buffer.from("FROM scratch\n".repeat(100)), undefined],
    [Buffer.alloc(0), undefined],
  ];
  for (const [index, [bytes, kind]] of cases.entries()) assert.equal(archiveKind(head(bytes)), kind, String(index));
});

test("an archive passes its check as it is, whatever follows its end; a damaged one does not", async () => {
  const tar = Buffer.concat([rawArchive(rawEntry({ name: "a", data: "x".repeat(5000) })), Buffer.alloc(9000, "end")]);
  const pass = async (data: Buffer): Promise<Buffer> =>
    await collect(checkedTar(bytesOf(data.subarray(0, 700), data.subarray(700)), what), 1e6, what);
  for (const data of [tar, tar.subarray(0, 512 + 5000), Buffer.alloc(0)]) assert.deepEqual(await pass(data), data);
  for (const data of [tar.subarray(0, 5000), tar.subarray(1, 2000)])
    await assert.rejects(pass(data), (error) => isVarveError(error, "corrupt"));
});

test("one owner for all, from a file", async (t) => {
  if (!needsRoot(t)) return;
  await using directory = await temporaryDirectory();
  writeFileSync(`${directory.path}/a.tar`, await archive());
  mkdirSync(`${directory.path}/out`);
  const done = await extractArchive({ path: `${directory.path}/a.tar` }, `${directory.path}/out`, {
    owner: { uid: 7, gid: 8 },
  });
  assert.deepEqual(done, { size: 7, skipped: [] });
  assert.deepEqual(describeTree(`${directory.path}/out`), [
    '"d" 40755 0:0',
    '"d/.wh.f" 100644 7:8 time 0 content "content"',
    '"g" 100644 7:8 time 0 content ""',
  ]);
});

test("trees by GNU tar arrive whole", async () => {
  await using directory = await temporaryDirectory();
  mkdirSync(`${directory.path}/from/d/e`, { recursive: true });
  mkdirSync(`${directory.path}/to`);
  writeFileSync(`${directory.path}/from/d/e/\u00fc`, "x".repeat(100_000));
  symlinkSync("e/\u00fc", `${directory.path}/from/d/link`);
  for (const format of ["gnu", "pax", "ustar"]) {
    const tar = execFileSync("tar", [`--format=${format}`, "-C", `${directory.path}/from`, "-c", "."], {
      maxBuffer: 1e8,
    });
    await applyLayer(bytesOf(tar), `${directory.path}/to`, { format: "plain", chown });
    assert.deepEqual(describeTree(`${directory.path}/to`), describeTree(`${directory.path}/from`));
  }
});

test("a layer: its archive's digest and its type in one pass", async () => {
  const tar = await archive();
  for (const compression of ["uncompressed", "gzip", "zstd"] as const) {
    const { bytes, result } = createLayer(bytesOf(tar), {
      compression,
      family: compression === "zstd" ? "oci" : "docker",
    });
    const blob = await collect(bytes, 1e6, what);
    const { diffId, mediaType } = await result;
    assert.equal(diffId, digestOf(tar));
    assert.deepEqual(await collect(decompress(bytesOf(blob), { format: compression, ...what }), 1e6, what), tar);
    assert.match(
      mediaType,
      /^application\/vnd\.(?:docker\.image\.rootfs\.diff\.tar(?:\.gzip)?|oci\.image\.layer\.v1\.tar\+zstd)$/,
    );
  }
  assert.deepEqual(
    await collect(compress(bytesOf(tar), { type: "gzip" }), 1e6, what),
    await collect(createLayer(bytesOf(tar), { compression: "gzip" }).bytes, 1e6, what),
  );
});

test("a layer whose bytes are not read to the end has no result", async () => {
  const left = createLayer(bytesOf(await archive()), { compression: "gzip" });
  for await (const _chunk of left.bytes) break;
  await assert.rejects(left.result);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield await archive();
    throw new Error("gone");
  }
  const failed = createLayer(broken(), { compression: "zstd" });
  await assert.rejects(collect(failed.bytes, 1e6, what), /gone/);
  await assert.rejects(failed.result, /gone/);
  assert.throws(
    () => createLayer(bytesOf(), { compression: "gzip", level: 99 }),
    (error) => isVarveError(error, "invalid-argument"),
  );
});

test("layers by umoci arrive whole", async (t) => {
  if (!needsRoot(t)) return;
  await using directory = await temporaryDirectory();
  const umoci = (...args: string[]): void => void execFileSync("umoci", args, { cwd: directory.path, stdio: "ignore" });
  try {
    umoci("--version");
  } catch {
    return t.skip("no umoci on this machine");
  }
  umoci("init", "--layout", "image");
  umoci("new", "--image", "image:tag");
  umoci("unpack", "--image", "image:tag", "bundle");
  const rootfs = `${directory.path}/bundle/rootfs`;
  mkdirSync(`${rootfs}/d/${"long".repeat(40)}`, { recursive: true });
  writeFileSync(`${rootfs}/d/${"long".repeat(40)}/\u00fc`, "content");
  execFileSync("mknod", [`${rootfs}/d/null`, "c", "1", "3"]);
  execFileSync("find", [rootfs, "-exec", "touch", "-h", "-d", "@1000000000", "{}", "+"]);
  umoci("repack", "--image", "image:tag", "bundle");
  const blobs = execFileSync("find", [`${directory.path}/image/blobs`, "-type", "f"], { encoding: "utf8" })
    .trim()
    .split("\n");
  const layer = blobs.map((path) => readFileSync(path)).find((data) => data[0] === 0x1f) as Buffer;
  mkdirSync(`${directory.path}/to`);
  await applyLayer(decompress(bytesOf(layer), { format: "detect", ...what }), `${directory.path}/to`, {
    format: "plain",
  });
  assert.deepEqual(describeTree(`${directory.path}/to`), describeTree(rootfs));
});
