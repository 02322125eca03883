import { type Advisory, directory, file, hardlink, symlink } from "./advisory.ts";
import { rawArchive, rawEntry, rawPax } from "../raw-tar.ts";

export const NODE_TAR: readonly Advisory[] = [
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

export const TAR_FS: readonly Advisory[] = [
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
