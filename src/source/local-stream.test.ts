import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Limits } from "../core/index.ts";
import { bytesOf, collect, temporaryDirectory, type Bytes } from "../io/index.ts";
import { writeTar } from "../layer/index.ts";
import { rawPax } from "../../testing/raw-tar.ts";
import { openStreamContext } from "./local-stream.ts";

const archive = (): Promise<Buffer> =>
  collect(
    writeTar([
      { path: "Dockerfile", body: "FROM scratch" },
      { path: "d/a", body: "a" },
      { path: "link", type: "symlink", linkPath: "/etc/passwd" },
    ]),
    1_000_000,
    { what: "an archive" },
  );

test("an archive, plain or compressed, is unpacked and goes with its context", async () => {
  await using parent = await temporaryDirectory();
  const tar = await archive();
  for (const bytes of [tar, gzipSync(tar)]) {
    let path: string;
    {
      await using context = await openStreamContext(bytesOf(bytes.subarray(0, 100), bytes.subarray(100)), parent.path);
      assert.equal(context.kind, "archive");
      ({ path } = context);
      assert.deepEqual(readdirSync(path).sort(), ["Dockerfile", "d", "link"]);
      assert.equal(readFileSync(join(path, "d/a"), "utf8"), "a");
    }
    assert.equal(existsSync(path), false);
  }
  assert.deepEqual(readdirSync(parent.path), []);
});

test("what is no archive is a Dockerfile with an empty context", async () => {
  await using parent = await temporaryDirectory();
  for (const text of ["FROM scratch\nCOPY a b\n", `# ${"x".repeat(100_000)}`]) {
    await using context = await openStreamContext(bytesOf(text), join(parent.path, "made/on/demand"));
    assert.equal(context.kind === "dockerfile" && context.text, text);
    assert.deepEqual(readdirSync(context.path), []);
  }
});

test("input that begins as an archive or contains NUL bytes is not a Dockerfile", async () => {
  await using parent = await temporaryDirectory();
  const tar = await archive();
  const packed = gzipSync(tar);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [packed.subarray(0, 30), /^Cannot decompress the build context: it is cut short$/],
    [packed.subarray(0, -1), /^Cannot decompress the build context: it is cut short$/],
    [gzipSync("FROM scratch\n"), /^Cannot read the build context: it is cut short$/],
    [rawPax({ path: "x" }).subarray(0, 600), /^Cannot read the build context: an extended header has no entry$/],
    [
      Buffer.from("\ufeffFROM scratch\n", "utf16le"),
      /^Cannot read the build context: it is neither an archive nor text$/,
    ],
    [Buffer.alloc(100), /^Cannot read the build context: it is neither an archive nor text$/],
  ];
  for (const [bytes, message] of cases)
    await assert.rejects(openStreamContext(bytesOf(bytes), parent.path), { message }, String(message));
  await using context = await openStreamContext(bytesOf(packed, "garbage"), parent.path);
  assert.deepEqual(readdirSync(context.path).sort(), ["Dockerfile", "d", "link"]);
});

test("an archive larger than a Dockerfile may be is read as a stream", async () => {
  await using parent = await temporaryDirectory();
  const large = Buffer.alloc(Limits.dockerfile * 2, 7);
  await using context = await openStreamContext(writeTar([{ path: "large", body: large }]), parent.path);
  assert.ok(readFileSync(join(context.path, "large")).equals(large));
});

test("a failure leaves nothing, and closes the stream", async () => {
  await using parent = await temporaryDirectory();
  let closed = false;
  async function* endless(): Bytes {
    try {
      for (;;) yield await Promise.resolve(Buffer.alloc(65_536, "x"));
    } finally {
      closed = true;
    }
  }
  await assert.rejects(openStreamContext(endless(), parent.path), { code: "limit-exceeded" });
  assert.equal(closed, true);
  await assert.rejects(openStreamContext(bytesOf(), parent.path), { code: "invalid-build" });
  const tar = await archive();
  await assert.rejects(openStreamContext(bytesOf(tar.subarray(0, 1100)), parent.path), { code: "corrupt" });
  assert.deepEqual(readdirSync(parent.path), []);
});
