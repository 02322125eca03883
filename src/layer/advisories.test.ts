/** What has broken others: an archive for each published advisory, put together by hand. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, lstatSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type ErrorCode, isVarveError } from "../core/index.ts";
import { type Bytes, bytesOf, temporaryDirectory } from "../io/index.ts";
import { hasCapability } from "../linux/index.ts";
import { needsRoot } from "../../testing/overlays.ts";
import { rawArchive, rawEntry, rawOldSparse, rawPax } from "../../testing/raw-tar.ts";
import { describeTree, treePaths } from "../../testing/trees.ts";
import { applyLayer, extractArchive } from "./index.ts";

interface Advisory {
  readonly id: string;
  /** What the archive does. */
  readonly does: string;
  /** `outside` is an absolute path beside the directory, which has `file` and `directory`, and begins with its name. */
  readonly archive: (outside: string) => Buffer | Bytes;
  /** An archive or layer that has been unpacked before. */
  readonly before?: (outside: string) => Buffer;
  /** "contained": it is unpacked, or a part of it, inside. */
  readonly expected: "contained" | ErrorCode;
  /** What the tree is then, if that matters. */
  readonly tree?: readonly string[];
}

const file = (name: string, data = "evil"): Buffer => rawEntry({ name, data });
const directory = (name: string, mode = "0000755\0"): Buffer => rawEntry({ name, typeFlag: "5", mode });
const symlink = (name: string, linkName: string): Buffer => rawEntry({ name, typeFlag: "2", linkName });
const hardlink = (name: string, linkName: string): Buffer => rawEntry({ name, typeFlag: "1", linkName });

/** A header that says it has 8 GiB, and an end that never comes. */
async function* endless(...start: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield Buffer.concat(start);
  const zeros = Buffer.alloc(1_048_576, "0");
  for (;;) yield await Promise.resolve(zeros);
}
const HUGE = "77777777777\0";

/** Links as CVE-2025-4517 has them: a path that the text of which is short and the real length of which is past PATH_MAX. */
function longReal(): Buffer[] {
  const long = "d".repeat(247);
  const entries: Buffer[] = [];
  let path = "";
  for (const step of "abcdefghijklmnop") {
    entries.push(rawPax({ path: `${path}${long}` }), directory("x"));
    entries.push(rawPax({ path: `${path}${step}`, linkpath: long }), symlink("x", "x"));
    path += `${step}/`;
  }
  const link = `${path}${"l".repeat(254)}`;
  return [
    ...entries,
    rawPax({ path: link, linkpath: "../".repeat(16) }),
    symlink("x", "x"),
    symlink("escape", link.slice(0, 99)),
  ];
}

const NODE_TAR: readonly Advisory[] = [
  {
    id: "CVE-2018-20834",
    does: "writes to a file outside by a hard link of the same name",
    archive: (outside) => rawArchive(hardlink("h", `${outside}/file`), file("h")),
    expected: "corrupt",
  },
  {
    id: "CVE-2021-32803",
    does: "puts a link in the place of a directory that it has made before",
    archive: (outside) => rawArchive(directory("d/"), symlink("d", outside), file("d/file")),
    expected: "contained",
  },
  {
    id: "CVE-2021-32804",
    does: "has absolute names with several slashes",
    archive: (outside) => rawArchive(file(`////${outside}/file`), file(`/./..//${outside}/new`)),
    expected: "contained",
  },
  {
    id: "CVE-2021-37701",
    does: "names a directory with a backslash, and in another case",
    archive: (outside) =>
      rawArchive(
        directory("d\\sub"),
        symlink("d\\sub", outside),
        file("d\\sub/file"),
        directory("FOO"),
        symlink("foo", outside),
        file("FOO/file"),
      ),
    expected: "contained",
  },
  {
    id: "CVE-2021-37712",
    does: "names a directory in two forms of Unicode",
    archive: (outside) =>
      rawArchive(
        directory("caf\xc3\xa9"),
        symlink("cafe\xcc\x81", outside),
        file("caf\xc3\xa9/file"),
        file("cafe\xcc\x81/file"),
      ),
    expected: "contained",
  },
  {
    id: "CVE-2021-37713",
    does: "has names relative to a drive",
    archive: () => rawArchive(file("C:../outside/file"), file("C:..\\..\\outside\\file")),
    expected: "contained",
  },
  {
    id: "CVE-2024-28863",
    does: "has a path of very many directories",
    archive: () => rawArchive(rawPax({ path: "a/".repeat(200_000) }), directory("x")),
    expected: "limit-exceeded",
  },
  {
    id: "CVE-2025-64118",
    does: "ends within a file, whose rest is then what was in memory",
    archive: () => rawArchive(file("f", "x".repeat(100_000))).subarray(0, 50_000),
    expected: "corrupt",
  },
  {
    id: "CVE-2026-23745",
    does: "has a hard link to an absolute name",
    archive: (outside) => rawArchive(symlink("s", outside), hardlink("h", `${outside}/file`)),
    expected: "corrupt",
  },
  {
    id: "CVE-2026-23950",
    does: "names a directory in letters that some filesystems take for the same",
    archive: (outside) =>
      rawArchive(directory("stra\xc3\x9fe"), symlink("strasse", outside), file("stra\xc3\x9fe/file")),
    expected: "contained",
  },
  {
    id: "CVE-2026-24842",
    does: "has a hard link whose target is inside only if it is resolved from the link's directory",
    archive: () =>
      rawArchive(directory("a/b/c"), hardlink("a/b/c/h", "../../../../root-outside/file"), file("a/b/c/h")),
    expected: "corrupt",
  },
  {
    id: "CVE-2026-26960",
    does: "has a hard link through a chain of links that climbs",
    archive: () =>
      rawArchive(
        directory("a/b/c"),
        symlink("a/b/c/up", "../.."),
        symlink("a/b/escape", "c/up/../.."),
        hardlink("h", "a/b/escape/root-outside/file"),
      ),
    expected: "corrupt",
  },
  {
    id: "CVE-2026-29786",
    does: "has a hard link to a name relative to a drive",
    archive: () => rawArchive(hardlink("h", "C:../root-outside/file")),
    expected: "corrupt",
  },
  {
    id: "CVE-2026-31802",
    does: "has a symbolic link to a name relative to a drive",
    archive: () => rawArchive(symlink("l", "C:../../../root-outside"), file("l/file")),
    expected: "contained",
  },
  {
    id: "CVE-2026-53655",
    does: "means a PAX size for a long name that comes between, so that some see other entries",
    archive: () =>
      rawArchive(
        rawPax({ size: "2048" }),
        rawEntry({ name: "././@LongLink", typeFlag: "L", data: "longname.txt\0" }),
        rawEntry({
          name: "a",
          data: Buffer.concat([Buffer.alloc(512), file("smuggled"), Buffer.alloc(512)]),
          size: "00000000020\0",
        }),
        file("b"),
      ),
    expected: "contained",
    tree: ["b", "longname.txt"],
  },
  {
    id: "CVE-2026-59874",
    does: "has an entry of negative size, in base 256",
    archive: () => rawArchive(file("first"), rawEntry({ size: "\xff".repeat(12) })),
    expected: "corrupt",
  },
];

const TAR_FS: readonly Advisory[] = [
  {
    id: "CVE-2018-20835",
    does: "overwrites a file outside by a hard link and a file of the same name",
    archive: () => rawArchive(hardlink("h", "../root-outside/file"), file("h")),
    expected: "corrupt",
  },
  {
    id: "CVE-2024-12905",
    does: "writes through a symbolic link to a link that leads outside",
    archive: (outside) => rawArchive(symlink("a", outside), symlink("b", "a"), file("b/file"), file("a")),
    expected: "contained",
  },
  {
    id: "CVE-2025-48387",
    does: "has a hard link to a symbolic link that leads outside, then a file of that name",
    archive: (outside) => rawArchive(symlink("a", `${outside}/file`), hardlink("b", "a"), file("b"), file("a")),
    expected: "contained",
    tree: ["a", "b"],
  },
  {
    id: "CVE-2025-59343",
    does: "leads to a directory outside whose name begins as the directory's does",
    archive: () => rawArchive(symlink("l", "../root-outside"), file("l/file"), file("../root-outside/file")),
    expected: "contained",
  },
];

const MOBY: readonly Advisory[] = [
  {
    id: "CVE-2014-6407",
    does: "writes through symbolic and hard links of an image's layer",
    archive: (outside) => rawArchive(symlink("l", `${outside}/file`), file("l"), hardlink("h", `../..${outside}/file`)),
    expected: "corrupt",
  },
  {
    id: "CVE-2014-9356",
    does: "goes through an absolute link that an earlier layer has left",
    before: (outside) => rawArchive(symlink("l", outside)),
    archive: () => rawArchive(file("l/file"), directory("l/directory", "0000777\0")),
    expected: "contained",
  },
  {
    id: "CVE-2015-3629",
    does: "goes through links to what the kernel shows of the machine",
    archive: () =>
      rawArchive(
        symlink("p", "/proc"),
        file("p/sys/kernel/core_pattern"),
        symlink("q", "/proc/self/root"),
        file("q/evil"),
      ),
    expected: "contained",
  },
  {
    id: "CVE-2018-15664",
    does: "swaps a directory for a link, again and again, between the entries that go into it",
    archive: (outside) =>
      rawArchive(
        ...Array.from({ length: 50 }, (_, at) => [
          directory("d"),
          file(`d/f${at}`),
          symlink("d", outside),
          file("d/file"),
        ]).flat(),
      ),
    expected: "contained",
  },
  {
    id: "CVE-2021-41089",
    does: "changes the mode of what a link outside leads to",
    archive: (outside) =>
      rawArchive(
        symlink("l", `${outside}/file`),
        rawEntry({ name: "l", typeFlag: "1", linkName: "l", mode: "0004777\0" }),
      ),
    expected: "contained",
  },
];

const CONTAINERD: readonly Advisory[] = [
  {
    id: "CVE-2021-32760",
    does: "changes the mode of a directory outside, by a link of the same name before it",
    archive: (outside) =>
      rawArchive(
        symlink("d", outside),
        directory("d", "0000777\0"),
        symlink("e", `${outside}/file`),
        hardlink("f", "e"),
      ),
    expected: "contained",
  },
];

const OTHERS: readonly Advisory[] = [
  {
    id: "CVE-2021-29136 (umoci)",
    does: "makes a link of the root itself",
    archive: (outside) =>
      rawArchive(symlink(".", outside), symlink("./", outside), symlink("/", outside), file("file")),
    expected: "contained",
    tree: ["file"],
  },
  {
    id: "CVE-2021-20291 (containers/storage)",
    does: "goes on behind its end, so that a reader who stops leaves the decompressor waiting",
    archive: () => gzipSync(Buffer.concat([rawArchive(file("f")), Buffer.alloc(5_000_000, "garbage")])),
    expected: "contained",
    tree: ["f"],
  },
  {
    id: "CVE-2016-6321 (GNU tar)",
    does: "hides .. behind a harmless beginning",
    archive: () => rawArchive(file("etc/motd/../../../root-outside/file"), file("x/../../root-outside/new")),
    expected: "contained",
  },
  {
    id: "CVE-2022-48303 (GNU tar)",
    does: "has a time of blanks only, in a V7 header",
    archive: () => rawArchive(rawEntry({ magic: "", patch: { 136: " ".repeat(12) }, data: "x" })),
    expected: "contained",
  },
  {
    id: "CVE-2019-9923 (GNU tar)",
    does: "has a malformed PAX header of a sparse file",
    archive: () =>
      rawArchive(
        file("first"),
        rawPax({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0" }),
        rawEntry({ data: "9\n" }),
      ),
    expected: "corrupt",
  },
  {
    id: "CVE-2025-45582 (GNU tar)",
    does: "is the second of two archives, and goes through a link of the first",
    before: () => rawArchive(symlink("x", "../root-outside")),
    archive: () => rawArchive(file("x/file"), directory("x", "0000777\0")),
    expected: "contained",
  },
  {
    id: "CVE-2022-2879 (Go)",
    does: "has an extended header without end",
    archive: () => endless(rawEntry({ typeFlag: "x", size: HUGE })),
    expected: "limit-exceeded",
  },
  {
    id: "CVE-2025-58183 (Go)",
    does: "has a map of a PAX 1.0 sparse file without end",
    archive: () =>
      endless(
        rawPax({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1" }),
        rawEntry({ size: HUGE }),
        Buffer.from(`999999999\n${"0\n".repeat(1_000_000)}`),
      ),
    expected: "limit-exceeded",
  },
  {
    id: "CVE-2026-32288 (Go)",
    does: "has a map of an old sparse file without end",
    archive: () =>
      rawArchive(
        rawOldSparse(
          Array.from({ length: 100_000 }, () => [0, 0]),
          0,
        ),
      ),
    expected: "limit-exceeded",
  },
  {
    id: "CVE-2025-62518 (tokio-tar)",
    does: "has a size in PAX and none in the header, so that some take its content for entries",
    archive: () => {
      const inner = rawArchive(file("smuggled"), symlink("evil", "/etc"));
      return rawArchive(
        rawPax({ size: String(inner.length) }),
        rawEntry({ name: "inner.tar", data: inner, size: "00000000000\0" }),
        file("next"),
      );
    },
    expected: "contained",
    tree: ["inner.tar", "next"],
  },
  {
    id: "CVE-2026-33055 (tar-rs)",
    does: "has another size in PAX than in the header",
    archive: () => {
      const inner = Buffer.concat([Buffer.alloc(512), file("smuggled")]);
      return rawArchive(
        rawPax({ size: String(inner.length) }),
        rawEntry({ name: "outer", data: inner, size: "00000000010\0" }),
        file("next"),
      );
    },
    expected: "contained",
    tree: ["next", "outer"],
  },
  {
    id: "CVE-2026-33056 (tar-rs), RUSTSEC-2026-0113 (tokio-tar)",
    does: "has a directory with the name of a link, so that its mode goes to what the link leads to",
    archive: (outside) =>
      rawArchive(
        symlink("d", outside),
        directory("d/", "0000777\0"),
        symlink("e", "../root-outside/directory"),
        directory("e/", "0000777\0"),
      ),
    expected: "contained",
  },
  {
    id: "CVE-2026-32766 (tokio-tar)",
    does: "has a malformed PAX header, which others skip",
    archive: () => rawArchive(file("first"), rawEntry({ typeFlag: "x", data: "99 path=x\n" }), file("f")),
    expected: "corrupt",
  },
  {
    id: "RUSTSEC-2026-0112 (tokio-tar)",
    does: "has two PAX headers for one entry, of which the last counts",
    archive: () =>
      rawArchive(rawPax({ size: "512", path: "first" }), rawPax({ path: "second" }), file("f"), file("next")),
    expected: "contained",
    tree: ["next", "second"],
  },
  {
    id: "CVE-2007-4559 (Python)",
    does: "climbs with names and links",
    archive: (outside) =>
      rawArchive(
        file("../root-outside/file"),
        file(`${outside}/file`),
        symlink("l", ".."),
        file("l/root-outside/file"),
      ),
    expected: "contained",
  },
  {
    id: "CVE-2019-20907 (Python)",
    does: "has a PAX record of no length",
    archive: () => rawArchive(file("first"), rawEntry({ typeFlag: "x", data: "0 hdrcharset=BINARY\n" }), file("f")),
    expected: "corrupt",
  },
  {
    id: "CVE-2024-6232 (Python)",
    does: "has a PAX header that is long to parse",
    archive: () => rawArchive(file("first"), rawEntry({ typeFlag: "x", data: "1".repeat(1_000_000) }), file("f")),
    expected: "corrupt",
  },
  {
    id: "CVE-2025-4330 (Python)",
    does: "has links that lead outside only when they stand where a hard link to them puts them",
    archive: () =>
      rawArchive(directory("a/b"), symlink("a/b/l", "../../root-outside/file"), hardlink("l", "a/b/l"), file("l")),
    expected: "contained",
  },
  {
    id: "CVE-2025-4138, CVE-2025-4517 (Python)",
    does: "has links whose real path is longer than the kernel takes, and then climbs",
    archive: () => rawArchive(...longReal(), file("escape/../../root-outside/file"), file("escape/file")),
    expected: "contained",
  },
  {
    id: "CVE-2025-4435 (Python)",
    does: "has an entry that is refused, and goes on",
    archive: () => rawArchive(hardlink("h", "none"), file("next")),
    expected: "corrupt",
  },
  {
    id: "CVE-2025-8194 (Python)",
    does: "has a size that leads backwards",
    archive: () => rawArchive(file("a"), rawEntry({ name: "b", size: `\xff${"\xff".repeat(9)}\xfc\0` })),
    expected: "corrupt",
  },
];

const chown = hasCapability("chown");
/** The most that the process may grow by, in KiB, for any of these. */
const MEMORY = 150_000;

type Way = (archive: Bytes, before: Bytes | undefined, root: string) => Promise<unknown>;

const WAYS: Readonly<Record<string, Way>> = {
  async plain(archive, before, root) {
    if (before !== undefined) await applyLayer(before, root, { format: "plain", chown });
    return await applyLayer(archive, root, { format: "plain", chown });
  },
  async overlay(archive, before, root) {
    if (before === undefined) return await applyLayer(archive, root, { format: "overlay", chown });
    const lowerView = `${dirname(root)}/lower`;
    mkdirSync(lowerView);
    await applyLayer(before, lowerView, { format: "plain", chown });
    return await applyLayer(archive, root, { format: "overlay", chown, lowerView });
  },
  async archive(archive, before, root) {
    if (before !== undefined) await extractArchive({ bytes: before }, root, { chown });
    return await extractArchive({ bytes: archive }, root, { chown });
  },
};

function bytes(archive: Buffer | Bytes): Bytes {
  return Buffer.isBuffer(archive) ? bytesOf(archive) : archive;
}

/** Everything beside the directory, with all that could be changed in it. */
function canary(outside: string): string[] {
  const links = ["", ...treePaths(outside)].map((path) => {
    const { mode, mtimeMs, nlink, uid, gid } = lstatSync(`${outside}/${path}`);
    return [path, mode, mtimeMs, nlink, uid, gid].join(" ");
  });
  return [...links, ...describeTree(outside, { directoryTimes: true, userXattrs: true })];
}

function makeOutside(outside: string): void {
  mkdirSync(`${outside}/directory`, { recursive: true });
  for (const name of ["file", "directory/file"]) writeFileSync(`${outside}/${name}`, "untouched");
  linkSync(`${outside}/file`, `${outside}/other`);
  chmodSync(`${outside}/file`, 0o640);
  for (const path of ["file", "directory/file", "directory", ""]) utimesSync(`${outside}/${path}`, 100, 100);
}

async function outcome(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "contained",
    (error: unknown) => (isVarveError(error) ? error.code : `thrown: ${String(error)}`),
  );
}

/** Compressed archives are for ADD; a layer is decompressed before it comes here. */
function takes(way: string, archive: Buffer | Bytes): boolean {
  return way === "archive" || !Buffer.isBuffer(archive) || archive[0] !== 0x1f;
}

for (const { id, does, archive, before, expected, tree } of [
  ...NODE_TAR,
  ...TAR_FS,
  ...MOBY,
  ...CONTAINERD,
  ...OTHERS,
]) {
  test(`${id}: ${does}`, async (t) => {
    for (const [way, unpack] of Object.entries(WAYS)) {
      if (way === "overlay" && !needsRoot(t)) continue;
      await using temporary = await temporaryDirectory();
      // By what can remove trees that are deeper than PATH_MAX.
      using _removal = { [Symbol.dispose]: () => void execFileSync("rm", ["-rf", `${temporary.path}/root`]) };
      const [root, outside] = [`${temporary.path}/root`, `${temporary.path}/root-outside`];
      mkdirSync(root);
      makeOutside(outside);
      const untouched = canary(outside);
      const data = archive(outside);
      if (!takes(way, data)) continue;
      const peak = process.resourceUsage().maxRSS;
      const first = before === undefined ? undefined : bytesOf(before(outside));
      assert.equal(await outcome(unpack(bytes(data), first, root)), expected, way);
      assert.ok(process.resourceUsage().maxRSS - peak < MEMORY, `${way} took too much memory`);
      assert.deepEqual(canary(outside), untouched, way);
      if (tree !== undefined) assert.deepEqual(treePaths(root), tree, way);
    }
  });
}
