import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
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
  lremovexattr,
  lsetxattr,
  lutimes,
  mknod,
  splitDevice,
  setOwner,
} from "../../linux/index.ts";

/** Files up to this size are copied synchronously. Copying a larger one yields to the event loop. Bytes. */
const SMALL = 1_048_576n;

/**
 * Creates an entry at `target` with the type and content of `source`. A directory is created empty. Metadata is not copied: only
 * the owner can read the new file until `setMetadata` sets its permissions. `target` must not exist. Returns a promise only for
 * large files.
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

/** Copies the content of a regular file into a new file. */
function copyFile(source: Path, target: Path, stat: BigIntStats, signal?: AbortSignal): Promise<void> | undefined {
  const from = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    // The file may have been replaced by a pipe or a device, which must not be read.
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
  /** Permission bits. Ignored for symbolic links. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly atime: bigint;
  readonly mtime: bigint;
}

/** Returns the metadata of a file. */
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
 * Sets the owner, permissions and times of a file, and copies the extended attributes of the file `attributesOf`. The order
 * matters: changing the owner removes file capabilities and the set-user-ID bit.
 */
export function setMetadata(
  target: Path,
  { uid, gid, mode, atime, mtime }: Metadata,
  { isLink, attributesOf }: { readonly isLink: boolean; readonly attributesOf?: Path | undefined },
): void {
  setOwner(target, uid, gid);
  if (attributesOf !== undefined) copyAttributes(attributesOf, target);
  if (!isLink) chmodSync(target, mode);
  lutimes(target, { atime, mtime });
}

/** Gives a file the extended attributes of others, as far as the system allows. Those of later ones count. Removes all its other ones. */
export function replaceAttributes(target: Path, sources: readonly Path[]): void {
  const kept = new Set(sources.flatMap((source) => llistxattr(source)));
  for (const name of llistxattr(target))
    if (!kept.has(name) && !isOfOverlay(name)) permitting(() => lremovexattr(target, name));
  for (const source of sources) copyAttributes(source, target);
}

/**
 * Copies all extended attributes except overlayfs's. Like `cp -a`, skips those that the filesystem or the privileges do not
 * allow.
 */
function copyAttributes(source: Path, target: Path): void {
  for (const name of llistxattr(source)) {
    const value = isOfOverlay(name) ? undefined : lgetxattr(source, name);
    if (value !== undefined) permitting(() => lsetxattr(target, name, value));
  }
}

function isOfOverlay(name: string): boolean {
  return name.startsWith("trusted.overlay.") || name.startsWith("user.overlay.");
}

/** Changes an attribute, unless the filesystem or the privileges do not allow it. */
function permitting(change: () => void): void {
  try {
    change();
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "EPERM" && code !== "EACCES") throw error;
  }
}
