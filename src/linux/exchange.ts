import { mkdirSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { Errno, systemError } from "./errno.ts";
import { systemCall } from "./libc.ts";
import { cstring, type Path } from "./path.ts";

const renameat2 = systemCall("renameat2", { x64: 316, arm64: 276 }, ["long", "void *", "long", "void *", "ulong"]);
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/**
 * Moves an entry over an empty one of the same kind, and leaves an empty one in its place. At once, unless the filesystem cannot: NFS.
 * Throws EXDEV for two filesystems.
 */
export function changePlaces(entry: Path, empty: Path, kind: "directory" | "file"): void {
  const exchanged = renameat2.attempt(AT_FDCWD, cstring(entry), AT_FDCWD, cstring(empty), RENAME_EXCHANGE);
  if (exchanged >= 0) return;
  if (exchanged !== -Errno.EINVAL && exchanged !== -Errno.ENOSYS)
    throw systemError(-exchanged, "renameat2", entry, empty);
  if (kind === "directory") rmdirSync(empty);
  else unlinkSync(empty);
  renameSync(entry, empty);
  if (kind === "directory") mkdirSync(entry);
  else writeFileSync(entry, "");
}
