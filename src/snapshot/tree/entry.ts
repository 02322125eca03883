import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  mkdirSync,
  openSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { errnoOf } from "../../core/index.ts";
import {
  type Path,
  copyData,
  copyDataSync,
  lgetxattr,
  llistxattr,
  lsetxattr,
  lutimes,
  mknod,
  splitDevice,
} from "../../linux/index.ts";

/** Files up to this size are copied in one go; larger ones let the event loop turn. Bytes. */
const SMALL = 1_048_576n;

/**
 * Makes at `target`, where nothing is, an entry of the same type and content as `source`. Directories are made empty and the
 * metadata is not copied, except that nobody but the owner can read a file before `copyMetadata` says who may.
 */
export function copyNode(
  source: Path,
  target: Path,
  stat: BigIntStats,
  signal?: AbortSignal,
): Promise<void> | undefined {
  if (stat.isFile()) return copyFile(source, target, stat, signal);
  if (stat.isDirectory()) mkdirSync(target, 0o700);
  else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(source, { encoding: "buffer" }), target);
  else {
    const { major, minor } = splitDevice(stat.rdev);
    mknod(target, Number(stat.mode) & (constants.S_IFMT | 0o700), major, minor);
  }
  return undefined;
}

/** Copies the content of a regular file. The target is made, must not exist, and is never followed as a link. */
function copyFile(source: Path, target: Path, stat: BigIntStats, signal?: AbortSignal): Promise<void> | undefined {
  const from = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    // The entry may have been replaced since it was looked at; a pipe or a device must not be read.
    if (!fstatSync(from).isFile())
      throw Object.assign(new Error("EINVAL: no longer a regular file"), { code: "EINVAL" });
    const to = openSync(
      target,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    if (stat.size > SMALL) return copyLarge(from, to, signal);
    try {
      copyDataSync(from, to);
    } finally {
      closeSync(to);
    }
  } catch (error) {
    closeSync(from);
    throw error;
  }
  closeSync(from);
  return undefined;
}

async function copyLarge(from: number, to: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await copyData(from, to, signal);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

export interface Metadata {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits; ignored for symbolic links, which have none. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly atime: bigint;
  readonly mtime: bigint;
}

export function metadataOf(stat: BigIntStats): Metadata {
  return {
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mode: Number(stat.mode) & 0o7777,
    atime: stat.atimeNs,
    mtime: stat.mtimeNs,
  };
}

/**
 * Sets owner, extended attributes (those of `attributesOf`, if given), permissions and times, in the order in which none
 * undoes another: a change of owner drops file capabilities and the set-user-ID bit.
 */
export function setMetadata(
  target: Path,
  { uid, gid, mode, atime, mtime }: Metadata,
  { isLink, attributesOf }: { readonly isLink: boolean; readonly attributesOf?: Path | undefined },
): void {
  lchownSync(target, uid, gid);
  if (attributesOf !== undefined) copyAttributes(attributesOf, target);
  if (!isLink) chmodSync(target, mode);
  lutimes(target, { atime, mtime });
}

/**
 * Copies extended attributes, all but overlayfs's own. Those that the target's filesystem or this process's privileges do not
 * allow are left out, as `cp -a` does.
 */
function copyAttributes(source: Path, target: Path): void {
  for (const name of llistxattr(source)) {
    if (name.startsWith("trusted.overlay.") || name.startsWith("user.overlay.")) continue;
    const value = lgetxattr(source, name);
    if (value === undefined) continue;
    try {
      lsetxattr(target, name, value);
    } catch (error) {
      const code = errnoOf(error);
      if (code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "EPERM" && code !== "EACCES") throw error;
    }
  }
}
