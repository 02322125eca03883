import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ErrorCode, isVarveError, Limits } from "../../core/index.ts";
import { bytesOf, collect, temporaryDirectory } from "../../io/index.ts";
import { hasCapability } from "../../linux/index.ts";
import { type RawMap, rawArchive, rawEntry, rawOldSparse, rawPax, rawSparse } from "../../../testing/raw-tar.ts";
import { describeTree, runs } from "../../../testing/trees.ts";
import { applyLayer, extractArchive, readTar } from "../index.ts";

const chown = hasCapability("chown");
const STEP = 65_536;
const FORMATS = {
  gnu: ["--format=gnu"],
  oldgnu: ["--format=oldgnu"],
  "PAX 0.0": ["--format=posix", "--sparse-version=0.0"],
  "PAX 0.1": ["--format=posix", "--sparse-version=0.1"],
  "PAX 1.0": ["--format=posix", "--sparse-version=1.0"],
} as const;

/** Makes a file of this size with a letter at each place, holes between them. */
function sparseFile(path: string, size: number, places: readonly number[]): void {
  const fd = openSync(path, "w");
  for (const [at, place] of places.entries()) writeSync(fd, String.fromCharCode(97 + (at % 26)), place);
  ftruncateSync(fd, size);
  closeSync(fd);
}

function tar(root: string, options: readonly string[]): Buffer {
  const settings = ["--sort=name", "--sparse", "--hole-detection=seek"];
  return execFileSync("tar", [...settings, ...options, "-C", root, "-cf", "-", "."], { maxBuffer: 1e8 });
}

/** What a filesystem may take besides for the table of a file's extents. */
const EXTENTS = 4096;

/** Bytes on disk. */
const taken = (path: string): number => statSync(path).blocks * 512;

const FILES: Readonly<Record<string, readonly [size: number, places: readonly number[]]>> = {
  empty: [0, []],
  "all hole": [5 * STEP, []],
  "hole first": [3 * STEP, [2 * STEP]],
  "hole between": [3 * STEP, [0, 3 * STEP - 1]],
  "hole last": [3 * STEP + 5, [0]],
  "odd end": [3 * STEP + 5, [3 * STEP + 4]],
  "four extents": [8 * STEP, [0, 2, 4, 6].map((at) => at * STEP)],
  "more than a header has": [20 * STEP, Array.from({ length: 20 }, (_, at) => at * STEP)],
  "more than two blocks have": [60 * STEP, Array.from({ length: 60 }, (_, at) => at * STEP)],
  ["n".repeat(150)]: [3 * STEP, [STEP]],
};

for (const [format, options] of Object.entries(FORMATS)) {
  test(`GNU tar's sparse files are unpacked with their holes: ${format}`, async () => {
    await using directory = await temporaryDirectory();
    const [root, copy] = [`${directory.path}/tree`, `${directory.path}/copy`];
    mkdirSync(root);
    mkdirSync(copy);
    for (const [name, [size, places]] of Object.entries(FILES)) sparseFile(`${root}/${name}`, size, places);
    writeFileSync(`${root}/plain`, "content");
    const archive = tar(root, options);
    assert.ok(archive.length < 12 * STEP, "the archive is sparse");
    await applyLayer(bytesOf(archive), copy, { format: "plain", chown });
    assert.deepEqual(describeTree(copy), describeTree(root));
    for (const name of Object.keys(FILES)) {
      const difference = Math.abs(taken(`${copy}/${name}`) - taken(`${root}/${name}`));
      assert.ok(difference <= EXTENTS, `${name}: ${difference} bytes more or less`);
    }
    for await (const entry of readTar(bytesOf(archive))) {
      if (entry.type !== "file") continue;
      const wanted = readFileSync(`${root}/${entry.path}`);
      assert.equal(entry.size, wanted.length);
      assert.ok((await collect(entry.body, 1e8, { what: "the body" })).equals(wanted), entry.path);
    }
  });
}

test("any sparse file comes out as GNU tar brings it out", async () => {
  const extent = fc.record({ hole: fc.integer({ min: 0, max: 6 }), data: fc.integer({ min: 1, max: 6 }) });
  const options = { minLength: 0, maxLength: 40 };
  const property = fc.asyncProperty(
    fc.array(extent, options),
    fc.integer({ min: 0, max: 3000 }),
    fc.constantFrom("old", "1.0"),
    async (parts, tail, format) => {
      const map: [number, number][] = [];
      let end = 0;
      for (const { hole, data } of parts) {
        map.push([end + hole * 512, data * 512]);
        end += (hole + data) * 512;
      }
      // As GNU tar writes it: an empty extent says where the file ends.
      map.push([end + tail, 0]);
      const data = map.map(([, length], at) => String.fromCharCode(97 + (at % 26)).repeat(length)).join("");
      const archive = rawArchive(
        format === "old" ? rawOldSparse(map, end + tail, { data }) : rawSparse(map, end + tail, data),
        rawEntry({ name: "next", data: "x" }),
      );
      await using directory = await temporaryDirectory();
      for (const name of ["ours", "theirs"]) mkdirSync(`${directory.path}/${name}`);
      await extractArchive({ bytes: bytesOf(archive) }, `${directory.path}/ours`, { chown });
      execFileSync("tar", ["-C", `${directory.path}/theirs`, "-xf", "-"], { input: archive });
      assert.deepEqual(describeTree(`${directory.path}/ours`), describeTree(`${directory.path}/theirs`));
    },
  );
  await fc.assert(property, { numRuns: runs(40) });
});

async function refused(entry: Buffer, code: ErrorCode, message: string): Promise<void> {
  const archive = rawArchive(entry, rawEntry({ name: "next" }));
  await assert.rejects(
    async () => {
      for await (const { body } of readTar(bytesOf(archive))) await collect(body, 1e6, { what: "the body" });
    },
    (error) => isVarveError(error, code),
    message,
  );
}

const DATA = "x".repeat(1024);
/** Maps for 1024 stored bytes of a file of 4096. */
const BAD_MAPS: Readonly<Record<string, RawMap>> = {
  "not in order": [
    [2048, 512],
    [0, 512],
  ],
  overlapping: [
    [0, 512],
    [511, 512],
  ],
  "past the end": [
    [0, 512],
    [3585, 512],
  ],
  "less than is stored": [[0, 512]],
  "more than is stored": [
    [0, 1024],
    [2048, 1],
  ],
  "numbers that run over": [
    [0, 1024],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ],
};

test("a wrong map is corrupt", async () => {
  for (const [name, map] of Object.entries(BAD_MAPS)) {
    const fits = map.flat().every((value) => Number(value) < 8 ** 11);
    if (fits) await refused(rawOldSparse(map, 4096, { data: DATA }), "corrupt", name);
    await refused(rawSparse(map, 4096, DATA), "corrupt", name);
    const records = { "GNU.sparse.size": "4096", "GNU.sparse.numblocks": String(map.length) };
    const joined = { ...records, "GNU.sparse.map": map.flat().join(",") };
    await refused(Buffer.concat([rawPax(joined), rawEntry({ data: DATA })]), "corrupt", name);
  }
  const [plus, word, fraction]: RawMap = [
    ["+0", 1024],
    ["a", 1024],
    ["0.5", 1024],
  ];
  for (const [offset, length] of [plus, word, fraction] as RawMap)
    await refused(rawSparse([[offset, length]], 4096, DATA), "corrupt", String(offset));
  await refused(rawOldSparse([["\xff".repeat(12), 1024]], 4096, { data: DATA }), "corrupt", "negative");
  await refused(rawOldSparse([[0, 1024]], "\xff".repeat(12), { data: DATA }), "corrupt", "negative size");
});

test("PAX records of a sparse file that do not belong together are corrupt", async () => {
  const whole = { "GNU.sparse.size": "4096", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1024" };
  const cases: Readonly<Record<string, string>>[] = [
    { ...whole, "GNU.sparse.numblocks": "2" },
    { ...whole, "GNU.sparse.map": "0,1024,2048" },
    { ...whole, "GNU.sparse.map": "0, 1024" },
    { ...whole, "GNU.sparse.map": "" },
    { ...whole, "GNU.sparse.size": "-1" },
    { "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1024" },
    { "GNU.sparse.size": "4096", "GNU.sparse.map": "0,1024" },
    { "GNU.sparse.size": "1024" },
    { "GNU.sparse.name": "other" },
    { "GNU.sparse.numbytes": "1024", "GNU.sparse.offset": "0", "GNU.sparse.numblocks": "1", "GNU.sparse.size": "4096" },
    { ...whole, "GNU.sparse.name": "a\0b" },
  ];
  for (const records of cases) {
    await refused(Buffer.concat([rawPax(records), rawEntry({ data: DATA })]), "corrupt", JSON.stringify(records));
  }
  for (const typeFlag of ["1", "2", "5", "6"]) {
    const entry = rawEntry({ typeFlag, linkName: "x" });
    await refused(Buffer.concat([rawPax({ ...whole, "GNU.sparse.map": "0,0" }), entry]), "corrupt", typeFlag);
  }
  const good = Buffer.concat([rawPax(whole), rawEntry({ data: DATA })]);
  for await (const { size } of readTar(bytesOf(rawArchive(good)))) assert.equal(size, 4096);
});

test("a sparse file of another format than GNU's is unsupported", async () => {
  await refused(rawOldSparse([[0, 1024]], 4096, { data: DATA, magic: "ustar\x0000" }), "unsupported", "star");
});

test("maps are bounded without reading them, and cut short they are corrupt", async () => {
  const many: RawMap = Array.from({ length: 60_000 }, () => [0, 0]);
  await refused(rawOldSparse(many, 4096), "limit-exceeded", "old");
  await refused(
    rawSparse(
      Array.from({ length: 300_000 }, () => [0, 0]),
      4096,
    ),
    "limit-exceeded",
    "1.0",
  );
  const records = { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "4096" };
  const claim = rawEntry({ data: "9007199254740991\n".padEnd(512, "\0") });
  await refused(Buffer.concat([rawPax(records), claim]), "corrupt", "a count with nothing behind it");
  await refused(Buffer.concat([rawPax(records), rawEntry({ data: "1".repeat(512) })]), "corrupt", "no end of a number");
  for (const whole of [rawOldSparse(many.slice(0, 90), 4096), rawSparse(many.slice(0, 900), 4096)]) {
    await assert.rejects(
      async () => {
        for await (const _entry of readTar(bytesOf(whole.subarray(0, 2600))));
      },
      (error) => isVarveError(error, "corrupt"),
    );
  }
});

test("holes cost nothing, but count: sparse files of an archive are together as large as a layer may be", async () => {
  await using directory = await temporaryDirectory();
  const half = Limits.layerUnpacked / 2;
  const archive = rawArchive(rawSparse([[half - 1, 1]], half, "z", "a"), rawSparse([], half, "", "b"));
  await applyLayer(bytesOf(archive), directory.path, { format: "plain", chown });
  for (const name of ["a", "b"]) {
    assert.equal(statSync(`${directory.path}/${name}`).size, half);
    assert.ok(taken(`${directory.path}/${name}`) <= 8192);
  }
  const one = rawSparse([], 1, "", "c");
  for (const entries of [
    [rawSparse([], half + 1), rawSparse([], half)],
    [rawSparse([], 2 * half), one],
  ])
    await refused(Buffer.concat(entries), "limit-exceeded", "sum");
  await refused(rawOldSparse([], `\x80${"\0".repeat(3)}\0\x1f${"\xff".repeat(6)}`), "limit-exceeded", "8 PiB");
  await refused(rawOldSparse([], `\x80${"\0".repeat(3)}\x7f${"\xff".repeat(7)}`), "corrupt", "8 EiB: not exact");
});

test("PAX records for all that follows do not make files sparse", async () => {
  const global = rawPax({ "GNU.sparse.size": "4096", "GNU.sparse.map": "0,1024", "GNU.sparse.numblocks": "1" }, "g");
  for await (const { size, pieces } of readTar(bytesOf(rawArchive(global, rawEntry({ data: DATA })))))
    assert.deepEqual([size, pieces], [1024, undefined]);
});
