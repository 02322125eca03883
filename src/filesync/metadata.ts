import { chmodSync, constants, lchownSync, readlinkSync } from "node:fs";
import { errnoOf, NS_PER_SECOND } from "../core/index.ts";
import {
  type EntryStat,
  type Path,
  lsetxattr,
  lutimes,
  pathOfByteString,
  representableOwner,
  splitDevice,
} from "../linux/index.ts";
import { type EntryKind, goModeOf, permissionsOf, storedMode } from "./mode.ts";
import type { Stat } from "./wire/stat.ts";

/** Who owns received files: the owner that the sender names, which needs privileges, or the user of this process. */
export type Ownership = "sender" | "process";

export function isDirectory({ mode }: EntryStat): boolean {
  return (mode & constants.S_IFMT) === constants.S_IFDIR;
}

/** Which files are taken to have the sender's content, because they have the sender's metadata. */
export type Differ =
  /** Those of the same size and time. */
  | "metadata"
  /** Those of the same size and time, if the time is not a whole second. Tools that set times set whole seconds. */
  | "fine-metadata"
  /** None. */
  | "none";

export interface Comparison {
  readonly differ: Differ;
  readonly ownership: Ownership;
}

/**
 * Returns whether an entry on disk is the one that the sender has: fsutil's rule. It does not compare extended attributes and,
 * for a directory, the time.
 */
export function isSame(stat: Stat, kind: EntryKind, found: EntryStat, at: Path, comparison: Comparison): boolean {
  if (!hasSameAttributes(stat, found, comparison.ownership)) return false;
  if (kind === "directory") return true;
  if (comparison.differ === "none" || found.mtime !== stat.modTime) return false;
  switch (kind) {
    case "file":
      return found.size === stat.size && (comparison.differ === "metadata" || stat.modTime % NS_PER_SECOND !== 0n);
    case "symlink":
      return readlinkSync(at, { encoding: "latin1" }) === stat.linkname;
    case "char":
    case "block": {
      const { major, minor } = splitDevice(found.rdev);
      return BigInt(major) === stat.devmajor && BigInt(minor) === stat.devminor;
    }
    case "fifo":
      return true;
  }
}

function hasSameAttributes(stat: Stat, found: EntryStat, ownership: Ownership): boolean {
  if (goModeOf(found.mode) !== storedMode(stat.mode)) return false;
  if (ownership === "process") return true;
  const { uid, gid } = representableOwner(stat);
  return found.uid === uid && found.gid === gid;
}

/**
 * Sets owner, extended attributes, permissions and times, in this order: changing the owner removes capabilities and set-id
 * bits, and the time must be right only when everything else is.
 */
export function setMetadata(at: Path, stat: Stat, kind: EntryKind, ownership: Ownership): void {
  if (ownership === "sender") {
    const { uid, gid } = representableOwner(stat);
    lchownSync(at, uid, gid);
  }
  setXattrs(at, stat);
  if (kind !== "symlink") chmodSync(at, permissionsOf(stat.mode));
  setTime(at, stat);
}

export function setTime(at: Path, { modTime }: Stat): void {
  lutimes(at, { atime: modTime, mtime: modTime });
}

/** Attributes with a meaning for the kernel or for overlayfs. A sender must not set them. */
function isReserved(name: string): boolean {
  return name.startsWith("trusted.") || name.startsWith("user.overlay.");
}

/** Sets the extended attributes. Like fsutil, skips those that the filesystem or the privileges do not allow. */
function setXattrs(at: Path, { xattrs }: Stat): void {
  for (const [name, value] of xattrs) {
    if (isReserved(name)) continue;
    try {
      lsetxattr(at, pathOfByteString(name), Buffer.from(value));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }
}
