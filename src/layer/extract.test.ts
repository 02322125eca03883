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
import { applyLayer, createLayer, extractArchive, writeTar } from "./index.ts";

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

async function into(data: Uint8Array): Promise<string[] | false> {
  await using directory = await temporaryDirectory();
  const done = await extractArchive({ bytes: bytesOf(data) }, directory.path, { chown });
  return done === false ? false : describeTree(directory.path).map((line) => line.split('"')[1] ?? "");
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

test("what is no archive is left alone", async () => {
  const text = Buffer.from("FROM scratch\n".repeat(100));
  for (const data of [
    Buffer.alloc(0),
    text,
    text.subarray(0, 10),
    gzipSync(text),
    zstdCompressSync(text),
    gzipSync(""),
    Buffer.alloc(1024),
    Buffer.from("\x1f\x8bnot gzip"),
  ]) {
    assert.equal(await into(data), false);
  }
  await using directory = await temporaryDirectory();
  mkdirSync(`${directory.path}/d`);
  writeFileSync(`${directory.path}/real.tar`, await archive());
  symlinkSync("real.tar", `${directory.path}/link.tar`);
  for (const path of ["d", "link.tar"])
    assert.equal(await extractArchive({ path: `${directory.path}/${path}` }, directory.path), false);
  await assert.rejects(extractArchive({ path: `${directory.path}/none` }, directory.path), (error) =>
    isVarveError(error, "not-found"),
  );
});

test("a damaged archive is corrupt once it has begun", async () => {
  const tar = rawArchive(rawEntry({ name: "a", data: "x" }), rawEntry({ name: "b", data: "y".repeat(3000) }));
  for (const data of [
    tar.subarray(0, 2000),
    gzipSync(tar.subarray(0, 2000)),
    Buffer.concat([gzipSync(tar), Buffer.from("garbage")]),
  ]) {
    await assert.rejects(into(data), (error) => isVarveError(error, "corrupt"));
  }
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
