import { type Advisory, directory, file, symlink } from "./advisory.ts";
import { rawArchive, rawEntry, rawOldSparse, rawPax } from "../raw-tar.ts";

/** A header that says it has 8 GiB, and an end that never comes. */
async function* endless(...start: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield Buffer.concat(start);
  const zeros = Buffer.alloc(1_048_576, "0");
  for (;;) yield await Promise.resolve(zeros);
}
const HUGE = "77777777777\0";

export const READERS: readonly Advisory[] = [
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
];
