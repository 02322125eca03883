import { type Advisory, directory, file, hardlink, symlink } from "./advisory.ts";
import { rawArchive, rawEntry, rawPax } from "../raw-tar.ts";

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

export const PYTHON: readonly Advisory[] = [
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
