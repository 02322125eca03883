import { gzipSync } from "node:zlib";
import { type Advisory, directory, file, hardlink, symlink } from "./advisory.ts";
import { rawArchive, rawEntry } from "../raw-tar.ts";

export const MOBY: readonly Advisory[] = [
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

export const UNPACKERS: readonly Advisory[] = [
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
];
