import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync, linkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ErrorCode, isVarveError, Limits } from "../../core/index.ts";
import { bytesOf, collect, temporaryDirectory } from "../../io/index.ts";
import { paxRecord, rawArchive, rawEntry, rawPax } from "../../../testing/raw-tar.ts";
import { readTar, type TarHeader } from "../index.ts";

const what = { what: "the test" };

async function* cut(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield await Promise.resolve(data.subarray(at, at + size));
}

async function list(data: Uint8Array, size = 100_000): Promise<(TarHeader & { content: string })[]> {
  const entries = [];
  for await (const { body, ...header } of readTar(cut(data, size))) {
    entries.push({ ...header, content: (await collect(body, 1e7, what)).toString("latin1") });
  }
  return entries;
}

const paths = async (data: Uint8Array): Promise<string[]> => (await list(data)).map((entry) => entry.path);

async function refused(data: Uint8Array, code: ErrorCode, message = ""): Promise<void> {
  await assert.rejects(list(data), (error) => isVarveError(error, code), message);
}

test("names: v7, prefix, star, GNU long, PAX, in order of precedence", async () => {
  const v7 = rawEntry({ name: "v7", magic: "", patch: { 345: "no-prefix" } });
  const prefix = rawEntry({ name: "name", patch: { 345: "pre/fix" } });
  const star = rawEntry({ name: "name", patch: { 345: "star", 476: "00000000000 ", 508: "tar\0" } });
  const gnu = rawEntry({ name: "gnu", magic: "ustar  \0", patch: { 345: "00000000000\0" } });
  const long = Buffer.concat([
    rawEntry({ name: "././@LongLink", typeFlag: "L", data: `${"l".repeat(300)}\0` }),
    rawEntry({ name: "././@LongLink", typeFlag: "K", data: "target\0" }),
    rawPax({ path: "pax", linkpath: "pax" }),
    rawEntry({ name: "short", typeFlag: "2", linkName: "short" }),
  ]);
  const pax = Buffer.concat([
    rawPax({ path: "p\xc3\xa9", mtime: "-1.25", uid: "3000000" }),
    rawEntry({ name: "short" }),
  ]);
  const entries = await list(rawArchive(v7, prefix, star, gnu, long, pax), 700);
  assert.deepEqual(
    entries.map((entry) => entry.path),
    ["v7", "pre/fix/name", "star/name", "gnu", "l".repeat(300), "p\xc3\xa9"],
  );
  assert.equal(entries[4]?.linkPath, "target");
  assert.deepEqual([entries[5]?.mtime, entries[5]?.uid], [-1_250_000_000n, 3_000_000]);
});

test("paths are cleaned by text and stop at the root", async () => {
  const raw = ["./a", "/b", "../../c", "d/../../e", "f//g/", "h/./i/.", "..", "./", "...", ".wh..x", "j/..k"];
  const cleaned = ["a", "b", "c", "e", "f/g", "h/i", "", "", "...", ".wh..x", "j/..k"];
  assert.deepEqual(await paths(rawArchive(...raw.map((name) => rawEntry({ name, typeFlag: "5" })))), cleaned);
});

test("old forms of numbers: spaces, no terminator, base 256, no digits", async () => {
  const entries = await list(
    rawArchive(
      rawEntry({ patch: { 108: "  1750 \0", 116: "12345670", 136: `\x80${"\0".repeat(9)}\x01\x07` } }),
      rawEntry({ patch: { 108: "\0\0\0\0\0\0\0\0", 136: `${"\xff".repeat(11)}\xfe` } }),
    ),
  );
  const numbers = entries.map(({ uid, gid, mtime }) => [uid, gid, mtime]);
  assert.deepEqual(numbers, [
    [0o1750, 0o12345670, 263_000_000_000n],
    [0, 0, -2_000_000_000n],
  ]);
});

test("an entry's kind, content and attributes", async () => {
  const entries = await list(
    rawArchive(
      rawEntry({ name: "dir/", typeFlag: "\0", magic: "" }),
      rawEntry({ name: "contiguous", typeFlag: "7", data: "abc" }),
      rawEntry({ name: "hard", typeFlag: "1", linkName: "/./contiguous", size: "00000000003\0" }),
      rawEntry({ name: "sym", typeFlag: "2", linkName: "../x/" }),
      rawEntry({ name: "c", typeFlag: "3", patch: { 329: "0000005\0", 337: "0000001\0" } }),
      rawPax({ "SCHILY.xattr.user.a": "b\0=c\n", comment: "x" }),
      rawEntry({ name: "f", mode: "0106755\0", data: "body" }),
    ),
  );
  assert.deepEqual(
    entries.map((entry) => entry.type),
    ["directory", "file", "hardlink", "symlink", "char", "file"],
  );
  assert.deepEqual([entries[2]?.linkPath, entries[2]?.size, entries[3]?.linkPath], ["contiguous", 0, "../x/"]);
  assert.deepEqual([entries[4]?.devMajor, entries[4]?.devMinor], [5, 1]);
  assert.deepEqual(entries[5]?.xattrs, new Map([["user.a", Buffer.from("b\0=c\n")]]));
  assert.deepEqual([entries[5]?.mode, entries[5]?.content], [0o6755, "body"]);
});

test("PAX: the size counts for what follows, empty values have no effect, global headers have none", async () => {
  const data = "x".repeat(700);
  const sized = Buffer.concat([
    rawPax({ size: "700", path: "" }),
    rawEntry({ name: "own", data, size: "00000000000\0" }),
  ]);
  const entries = await list(
    rawArchive(rawPax({ path: "global", uid: "7" }, "g"), sized, rawEntry({ name: "next" })),
    100,
  );
  assert.deepEqual(
    entries.map(({ path, uid, content }) => [path, uid, content]),
    [
      ["own", 0, data],
      ["next", 0, ""],
    ],
  );
});

test("malformed PAX is corrupt", async () => {
  const entry = rawEntry({});
  const records = [
    "",
    "x",
    "5 a=",
    "6 a=b",
    "6 a=bc\n",
    "99 a=b\n",
    "-6 a=b\n",
    "06 a=b\n",
    "+6 a=b\n",
    "4 =\n",
    "5 =a\n",
    "5 aa\n",
    "1e1 abcde=\n",
  ];
  for (const data of records.slice(1))
    await refused(rawArchive(rawEntry({ typeFlag: "x", data }), entry), "corrupt", data);
  for (const size of [
    "-1",
    "NaN",
    "1e3",
    "0x10",
    "99999999999999999999",
    "9007199254740993",
    "1.5",
    " 1",
    "1 ",
    "Infinity",
  ]) {
    await refused(rawArchive(rawPax({ size }), entry), "corrupt", size);
  }
  for (const pax of [
    { uid: "-1" },
    { gid: "4294967295" },
    { mtime: "now" },
    { mtime: "1e9" },
    { mtime: "1.2.3" },
    { path: "a\0b" },
    { linkpath: "\0" },
    { "SCHILY.xattr.a\0b": "c" },
  ]) {
    await refused(rawArchive(rawPax(pax), entry), "corrupt", JSON.stringify(pax));
  }
});

test("malformed headers are corrupt", async () => {
  const bad: Parameters<typeof rawEntry>[0][] = [
    { checksum: "000000\0 " },
    { checksum: "        " },
    { size: "-0000000001\0" },
    { size: "0000000000x\0" },
    { size: "00000000008\0" },
    { size: "\xff".repeat(12) },
    { size: `\x80${"\xff".repeat(11)}` },
    { mode: "rwxr-xr\0" },
    { patch: { 108: "\xff".repeat(8) } },
    { patch: { 136: "yesterday\0" } },
    { typeFlag: "2", linkName: "" },
    { typeFlag: "1", linkName: "" },
    { typeFlag: "3", patch: { 329: "7777777\0" } },
  ];
  for (const header of bad) await refused(rawArchive(rawEntry(header)), "corrupt", JSON.stringify(header));
});

test("what cannot be represented is unsupported", async () => {
  for (const typeFlag of ["S", "V", "M", "D", "A", "N", "X", "Z"])
    await refused(rawArchive(rawEntry({ typeFlag })), "unsupported", typeFlag);
  for (const [major, minor] of [
    ["0", "2"],
    ["1", "1"],
    ["2", "0"],
    ["1", ""],
  ] as const) {
    const records = { "GNU.sparse.major": major, "GNU.sparse.minor": minor };
    await refused(rawArchive(rawPax(records), rawEntry({})), "unsupported");
  }
});

test("extended headers and paths are bounded, without reading them", async () => {
  const huge = rawEntry({ typeFlag: "x", size: "77777777777\0" });
  await refused(rawArchive(huge), "limit-exceeded");
  await refused(rawArchive(rawEntry({ typeFlag: "L", size: "77777777777\0" })), "limit-exceeded");
  const many = Array.from({ length: 3000 }, () => rawPax({ comment: "x".repeat(400) }));
  await refused(rawArchive(...many, rawEntry({})), "limit-exceeded");
  await refused(
    rawArchive(rawEntry({ typeFlag: "L", data: "a/".repeat(Limits.path) }), rawEntry({})),
    "limit-exceeded",
  );
  await refused(
    rawArchive(rawPax({ linkpath: "a".repeat(Limits.path + 1) }), rawEntry({ typeFlag: "2" })),
    "limit-exceeded",
  );
  const entries = readTar(bytesOf(rawArchive(rawEntry({}), rawEntry({}), rawEntry({}))), { maxEntries: 2 });
  await assert.rejects(
    async () => {
      for await (const _entry of entries);
    },
    (error) => isVarveError(error, "limit-exceeded"),
  );
});

test("an archive that is cut short is corrupt wherever it ends within an entry", async () => {
  const whole = rawArchive(rawPax({ path: "long" }), rawEntry({ data: "x".repeat(700) }));
  for (const length of [1, 511, 513, 600, 1024, 1100, 1536, 1600, 2200, 2235])
    await refused(whole.subarray(0, length), "corrupt", String(length));
  for (const length of [2561, 2600, 3071, 3073, 3583])
    await refused(whole.subarray(0, length), "corrupt", String(length));
  assert.deepEqual(await paths(whole.subarray(0, 2560)), ["long"]);
  assert.deepEqual(await paths(whole.subarray(0, 3072)), ["long"]);
  assert.deepEqual(await paths(Buffer.alloc(0)), []);
});

test("the padding of the last entry may be missing, in part or whole, whoever reads its body", async () => {
  const data = "x".repeat(700);
  const whole = rawArchive(rawPax({ path: "long" }), rawEntry({ data }));
  for (const length of [2236, 2237, 2500, 2559])
    for (const size of [100_000, 333, 1]) {
      const archive = whole.subarray(0, length);
      const entries = await list(archive, size);
      assert.deepEqual(
        entries.map(({ path, content }) => [path, content]),
        [["long", data]],
      );
      let unread = 0;
      for await (const _entry of readTar(cut(archive, size))) unread += 1;
      assert.equal(unread, 1);
    }
});

test("an extended header that nothing follows is corrupt; a global one is no entry", async () => {
  const pax = rawPax({ path: "lost" });
  for (const length of [pax.length, pax.length - 100])
    await refused(pax.subarray(0, length), "corrupt", String(length));
  await refused(rawArchive(pax), "corrupt");
  // What `git archive` makes of an empty tree.
  assert.deepEqual(await paths(rawArchive(rawPax({ comment: "0123" }, "g"))), []);
});

test("an entry between the two blocks of the end is corrupt; what follows the end is dropped", async () => {
  await refused(Buffer.concat([Buffer.alloc(512), rawEntry({})]), "corrupt");
  let drained = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(rawArchive(rawEntry({ name: "only" })));
    for (let at = 0; at < 5; at += 1) {
      drained += 1;
      yield Buffer.from("garbage");
    }
  }
  const names = [];
  for await (const entry of readTar(source())) names.push(entry.path);
  assert.deepEqual([names, drained], [["only"], 5]);
});

test("bodies may be left unread, or read in part; late reading is refused", async () => {
  const archive = rawArchive(
    rawEntry({ name: "a", data: "x".repeat(5000) }),
    rawEntry({ name: "b", data: "y".repeat(1024) }),
    rawEntry({ name: "c", data: "z" }),
  );
  const seen = [];
  let late: AsyncIterable<Uint8Array> | undefined;
  for await (const entry of readTar(cut(archive, 333))) {
    seen.push(entry.path);
    if (entry.path === "a") for await (const _chunk of entry.body) break;
    if (entry.path === "b") late = entry.body;
  }
  assert.deepEqual(seen, ["a", "b", "c"]);
  await assert.rejects(collect(late as AsyncIterable<Uint8Array>, 1e6, what), (error) =>
    isVarveError(error, "internal"),
  );
});

test("a reader that leaves releases the source", async () => {
  let released = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(rawEntry({}));
    } finally {
      released = true;
    }
  }
  for await (const _entry of readTar(source())) break;
  assert.ok(released);
});

test("any bytes end in entries or a VarveError, and never hang", async () => {
  const seeds = rawArchive(
    rawPax({ path: "long", size: "10", "SCHILY.xattr.user.a": "b" }),
    rawEntry({ data: "0123456789" }),
    rawEntry({ typeFlag: "L", data: "name\0" }),
    rawEntry({}),
  );
  const flips = fc.array(fc.tuple(fc.integer({ min: 0, max: seeds.length - 1 }), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  const property = fc.asyncProperty(flips, fc.integer({ min: 1, max: seeds.length }), async (changes, length) => {
    const data = Buffer.from(seeds.subarray(0, length));
    for (const [at, value] of changes) data[at % length] = value;
    fixChecksums(data);
    try {
      await list(data, 601);
    } catch (error) {
      assert.ok(isVarveError(error, "corrupt", "limit-exceeded", "unsupported"), String(error));
    }
  });
  await fc.assert(property, { numRuns: 400 });
});

/** So that flips reach the fields behind the checksum. */
function fixChecksums(data: Buffer): void {
  for (let at = 0; at + 512 <= data.length; at += 512) {
    if (data.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    data.write("        ", at + 148);
    const sum = data.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    data.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148);
  }
}

for (const format of ["v7", "oldgnu", "gnu", "ustar", "pax"]) {
  test(`GNU tar's ${format} format is read`, async () => {
    await using directory = await temporaryDirectory();
    const root = join(directory.path, "tree");
    const long = format === "v7" ? "long" : "n".repeat(80);
    mkdirSync(join(root, "dir", long), { recursive: true });
    writeFileSync(join(root, "dir", long, "file"), "content");
    linkSync(join(root, "dir", long, "file"), join(root, "dir", long, "hard"));
    symlinkSync("dir/somewhere", join(root, "sym"));
    const archive = execFileSync("tar", ["--sort=name", `--format=${format}`, "-C", root, "-cf", "-", "."], {
      maxBuffer: 1e8,
    });
    const entries = await list(archive, 10_240);
    assert.deepEqual(
      entries.map(({ path, type, content, linkPath }) => [path, type, content, linkPath]),
      [
        ["", "directory", "", ""],
        ["dir", "directory", "", ""],
        [`dir/${long}`, "directory", "", ""],
        [`dir/${long}/file`, "file", "content", ""],
        [`dir/${long}/hard`, "hardlink", "", `dir/${long}/file`],
        ["sym", "symlink", "", "dir/somewhere"],
      ],
    );
  });
}

test("a PAX record's length counts itself", () => {
  assert.equal(paxRecord("a", "b".repeat(93)).length, 98 + 1);
});
