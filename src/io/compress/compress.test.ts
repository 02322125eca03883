import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import * as fc from "fast-check";
import { type StreamCompression, digestOf, isVarveError } from "../../core/index.ts";
import { bytesOf, type Bytes, collect } from "../bytes.ts";
import { compress } from "./compress.ts";
import { type CompressionFormat, detectCompression } from "./detect.ts";
import { decompress, gunzipSmall } from "./decode.ts";
import { gzipMembers, MEMBER_END, type MemberInput } from "./members.ts";

const what = { what: "the test" };
const all = (source: Bytes): Promise<Buffer> => collect(source, 1e9, what);
const read = (data: Uint8Array, format: CompressionFormat | "detect" = "detect"): Promise<Buffer> =>
  all(decompress(bytesOf(data), { format, ...what }));

async function* cut(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield await Promise.resolve(data.subarray(at, at + size));
}

function sample(size: number): Buffer {
  const data = Buffer.alloc(size);
  let state = 7;
  for (let at = 0; at < size; at += 1) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    data[at] = state >> 24 > 60 ? 0x20 : (state >> 16) & 0x3f;
  }
  return data;
}

function hasTool(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: ["ignore", "ignore", "ignore"] });
    return true;
  } catch {
    return false;
  }
}

test("what is compressed can be read back, in any cut, and gives the same bytes", async () => {
  const data = sample(1_000_003);
  for (const type of ["gzip", "zstd", "uncompressed"] satisfies StreamCompression[]) {
    const whole = await all(compress(bytesOf(data), { type }));
    assert.deepEqual(await all(compress(cut(data, 4096), { type })), whole, type);
    assert.deepEqual(await all(compress(cut(data, 333_333), { type })), whole, type);
    assert.deepEqual(await read(whole), data);
    assert.deepEqual(await all(decompress(cut(whole, 777), { format: "detect", ...what })), data);
  }
});

test("other readers accept our streams, of many blocks too", async () => {
  const data = sample(20_000_000);
  assert.deepEqual(gunzipSync(await all(compress(bytesOf(data), { type: "gzip", level: 1 }))), data);
  assert.deepEqual(zstdDecompressSync(await all(compress(bytesOf(data), { type: "zstd", level: 1 }))), data);
});

test("members end at the markers, and none is empty", async () => {
  const data = sample(900_000);
  async function* parts(size: number): AsyncGenerator<MemberInput> {
    for (const [from, to] of [
      [0, 5],
      [5, 600_000],
      [600_000, 862_144],
      [862_144, 900_000],
    ] as const) {
      yield* cut(data.subarray(from, to), size);
      yield MEMBER_END;
      yield MEMBER_END;
    }
  }
  const membersOf = async (size: number): Promise<Buffer[]> => {
    const members: Uint8Array[][] = [];
    for await (const { bytes, begins } of gzipMembers(parts(size))) {
      if (begins) members.push([]);
      members.at(-1)?.push(bytes);
    }
    return members.map((pieces) => Buffer.concat(pieces));
  };
  const members = await membersOf(100_000);
  assert.deepEqual(
    members.map((member) => gunzipSync(member).length),
    [5, 599_995, 262_144, 37_856],
  );
  assert.deepEqual(await read(Buffer.concat(members)), data);
  assert.deepEqual(await membersOf(777), members);
});

/** Stored, so that the compression library has no part in the bytes: they are those of the blocks alone. */
test("blocks are those that digests rest on", async () => {
  const text = Buffer.from(Array.from({ length: 200_000 }, (_, line) => `line ${line}\n`).join(""));
  const blob = await collect(compress(bytesOf(text), { type: "gzip", level: 0 }), 10_000_000, what);
  assert.equal(digestOf(blob), "sha256:9fa4f9f671f22e08b499f7a0926082f77c5123cdd834a22253a0cd4dd0bbfa66");
});

test("any bytes at any level survive", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 2000 }),
      fc.integer({ min: 0, max: 9 }),
      fc.constantFrom<StreamCompression>("gzip", "zstd"),
      async (data, level, type) => {
        assert.deepEqual(await read(await all(compress(bytesOf(data), { type, level })), type), Buffer.from(data));
      },
    ),
    { numRuns: 60 },
  );
});

test("a gzip header names no file, no time and no system", async () => {
  const data = await all(compress(bytesOf(), { type: "gzip" }));
  assert.equal(data.toString("hex"), "1f8b08000000000000ff03000000000000000000");
});

test("level out of range is refused", () => {
  assert.throws(
    () => compress(bytesOf(), { type: "gzip", level: 10 }),
    (error) => isVarveError(error, "invalid-argument"),
  );
  assert.throws(
    () => compress(bytesOf(), { type: "zstd", level: 1.5 }),
    (error) => isVarveError(error, "invalid-argument"),
  );
});

test("members and frames in a row are one stream", async () => {
  const [a, b] = [Buffer.from("hello "), Buffer.from("world")];
  assert.equal(String(await read(Buffer.concat([gzipSync(a), gzipSync(b)]))), "hello world");
  const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);
  assert.equal(
    String(await read(Buffer.concat([skippable, zstdCompressSync(a), skippable, zstdCompressSync(b)]))),
    "hello world",
  );
  const split = decompress(bytesOf(gzipSync(a), gzipSync(b)), { format: "gzip", ...what });
  assert.equal(String(await all(split)), "hello world");
});

test("a stream that is cut short, damaged or followed by garbage is corrupt", async () => {
  const data = sample(300_000);
  const cases: [CompressionFormat, Buffer][] = [
    ["gzip", gzipSync(data)],
    ["zstd", zstdCompressSync(data)],
  ];
  const corrupt = (error: unknown): boolean =>
    isVarveError(error, "corrupt") && error.message.startsWith("Cannot decompress the test:");
  for (const [format, whole] of cases) {
    for (const length of [0, 3, 12, whole.length >> 1, whole.length - 1]) {
      await assert.rejects(read(whole.subarray(0, length), format), corrupt, `${format} ${length}`);
    }
    for (const tail of [
      "\0",
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0abc",
      "x",
      "PK\x03\x04....................",
      whole.subarray(0, 9),
    ]) {
      await assert.rejects(
        read(Buffer.concat([whole, Buffer.from(tail as string)]), format),
        corrupt,
        `${format} + ${String(tail)}`,
      );
    }
  }
  const flipped = gzipSync(data);
  flipped[flipped.length - 6] = (flipped[flipped.length - 6] ?? 0) ^ 1;
  await assert.rejects(read(flipped), corrupt);
});

test("a little gzip data is decompressed at once, if it is whole and little", () => {
  const [a, b] = [gzipSync("hello "), gzipSync("world")];
  assert.equal(String(gunzipSmall(Buffer.concat([a, b]), 11)), "hello world");
  assert.equal(gunzipSmall(gzipSync(""), 1)?.length, 0);
  const others = [a.subarray(0, -1), Buffer.alloc(0), Buffer.from("x")];
  for (const data of others) assert.equal(gunzipSmall(data, 100), undefined);
  for (const tail of ["x", "\0", "\0\0\0abc", a.subarray(0, 9)])
    assert.equal(gunzipSmall(Buffer.concat([a, Buffer.from(tail as string)]), 100), undefined);
  assert.equal(gunzipSmall(gzipSync(Buffer.alloc(50_000_000)), 1_000_000), undefined);
});

test("a bomb stops at the limit", async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of decompress(bytesOf(bomb), { format: "detect", limit: 1_000_000, ...what }))
        seen += chunk.length;
    },
    (error) => isVarveError(error, "limit-exceeded"),
  );
  assert.ok(seen <= 1_000_000);
});

test("errors of the source pass through, and a reader that leaves releases the source", async () => {
  const failure = new Error("the network is gone");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(gzipSync(sample(1000)).subarray(0, 20));
    throw failure;
  }
  await assert.rejects(all(decompress(broken(), { format: "gzip", ...what })), failure);
  let released = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(sample(300_000));
    } finally {
      released = true;
    }
  }
  for (const type of ["gzip", "zstd"] satisfies StreamCompression[]) {
    released = false;
    for await (const chunk of compress(endless(), { type })) if (chunk.length > 100) break;
    assert.ok(released, type);
  }
});

test("formats are detected by their magic numbers", () => {
  assert.equal(detectCompression(gzipSync("x")), "gzip");
  assert.equal(detectCompression(zstdCompressSync("x")), "zstd");
  assert.equal(detectCompression(Buffer.from("BZh91AY&SY")), "bzip2");
  assert.equal(detectCompression(Buffer.from("BZhang/\0\0\0")), "uncompressed");
  assert.equal(detectCompression(Buffer.from("\xfd7zXZ\0", "latin1")), "xz");
  assert.equal(detectCompression(Buffer.alloc(0)), "uncompressed");
});

for (const format of ["bzip2", "xz"] satisfies CompressionFormat[]) {
  test(`${format} is read with the system's program`, async (t) => {
    if (!hasTool(format)) return t.skip(`no ${format} on this machine`);
    const data = sample(400_000);
    const packed = execFileSync(format, ["-c"], { input: data, maxBuffer: 1e8 });
    assert.deepEqual(await read(packed), data);
    const corrupt = (error: unknown): boolean => isVarveError(error, "corrupt");
    await assert.rejects(read(packed.subarray(0, packed.length >> 1)), corrupt);
    await assert.rejects(read(Buffer.concat([packed, Buffer.from("garbage")])), corrupt);
    for await (const chunk of decompress(bytesOf(packed), { format, ...what })) if (chunk.length > 0) break;
  });

  test(`${format} without its program is unsupported`, async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = "/nonexistent";
    try {
      await assert.rejects(read(Buffer.from("x"), format), (error) => isVarveError(error, "unsupported"));
    } finally {
      process.env["PATH"] = path;
    }
  });
}
