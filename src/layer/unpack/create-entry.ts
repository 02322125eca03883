import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { errnoOf, throwIfAborted, NS_PER_SECOND } from "../../core/index.ts";
import {
  type ByteString,
  byteStringOf,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lutimes,
  mknod,
  ownIdMaps,
  type Path,
  pathOfByteString,
  setOpenOwner,
  setOwner,
} from "../../linux/index.ts";
import { TYPE_BITS } from "../tar/format.ts";
import type { TarEntry, TarEntryType, TarHeader, TarPiece } from "../types.ts";

/** The owner of unpacked files: "archive", the owners in the archive; "process", the user of this process; or one owner. */
export type Ownership = "archive" | "process" | { readonly uid: number; readonly gid: number };

export interface CreateOptions {
  readonly ownership: Ownership;
  readonly signal: AbortSignal | undefined;
}

const writeAsync = promisify(write);
/** Files larger than this are written asynchronously, because the kernel may make a writer wait. Bytes. */
const LARGE = 1_048_576;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Creates a file with its content and metadata. Throws EEXIST if `at` exists. */
export async function createFile(at: Path, entry: TarEntry, options: CreateOptions): Promise<void> {
  const fd = openSync(at, CREATE, 0o600);
  try {
    if (entry.pieces === undefined) {
      for await (const chunk of entry.body) {
        throwIfAborted(options.signal, "unpack");
        if (entry.size > LARGE) await writeAll(fd, chunk);
        else writeAllSync(fd, chunk, null);
      }
    } else await writePieces(fd, entry.pieces, entry.size, options);
    const owner = ownerOf(entry, options.ownership);
    if (owner !== undefined) setOpenOwner(fd, owner.uid, owner.gid);
    setXattrs(at, entry);
    fchmodSync(fd, entry.mode);
    setFileTime(fd, at, entry);
  } finally {
    closeSync(fd);
  }
}

/** Writes a sparse file. Leaves holes between the pieces and after the last one. */
async function writePieces(
  fd: number,
  pieces: AsyncIterable<TarPiece>,
  size: number,
  { signal }: CreateOptions,
): Promise<void> {
  for await (const { at, bytes } of pieces) {
    throwIfAborted(signal, "unpack");
    writeAllSync(fd, bytes, at);
  }
  ftruncateSync(fd, size);
}

/** Writes at the current position of the file, asynchronously. */
async function writeAll(fd: number, chunk: Uint8Array): Promise<void> {
  for (let from = 0; from < chunk.byteLength;) from += (await writeAsync(fd, chunk, from)).bytesWritten;
}

/** Writes at an offset, or at the current position of the file if `at` is null. */
function writeAllSync(fd: number, chunk: Uint8Array, at: number | null): void {
  for (let from = 0; from < chunk.byteLength;) {
    from += writeSync(fd, chunk, from, chunk.byteLength - from, at === null ? null : at + from);
  }
}

/** Creates a symbolic link, device or pipe with its metadata. Throws EEXIST if `at` exists. */
export function createNode(
  at: Path,
  header: TarHeader & { readonly type: "symlink" | "char" | "block" | "fifo" },
  options: CreateOptions,
): void {
  if (header.type === "symlink") symlinkSync(pathOfByteString(header.linkPath), at);
  else mknod(at, TYPE_BITS[header.type] | 0o600, header.devMajor, header.devMinor);
  setMetadata(at, header, options);
  setTime(at, header);
}

/** Creates a directory unless it exists, and sets its metadata except its time. */
export function createDirectory(at: Path, header: TarHeader, options: CreateOptions): void {
  try {
    mkdirSync(at, 0o700);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  setMetadata(at, header, options);
}

/** Sets owner, extended attributes and mode, in this order: changing the owner removes capabilities and set-id bits. */
function setMetadata(at: Path, header: TarHeader, { ownership }: CreateOptions): void {
  const owner = ownerOf(header, ownership);
  if (owner !== undefined) setOwner(at, owner.uid, owner.gid);
  setXattrs(at, header);
  if (header.type !== "symlink") chmodSync(at, header.mode);
}

/**
 * Like `setMetadata`, for another name of a file. An owner that stays the same is not set again: that would remove capabilities, which
 * archives of GNU tar have at the first name only.
 */
export function setLinkMetadata(at: Path, header: TarHeader, options: CreateOptions): void {
  const owner = ownerOf(header, options.ownership);
  const { uid, gid } = lstatSync(at);
  const isSame = owner?.uid === uid && owner.gid === gid;
  setMetadata(at, header, isSame ? { ...options, ownership: "process" } : options);
}

export function setTime(at: Path, { mtime }: TarHeader): void {
  lutimes(at, { atime: mtime, mtime });
}

/** Like `setTime`, for an open file. Whole seconds, which most layers have, are set by Node's own faster call. */
function setFileTime(fd: number, at: Path, { mtime }: TarHeader): void {
  if (mtime < 0n || mtime % NS_PER_SECOND !== 0n) {
    lutimes(at, { atime: mtime, mtime });
    return;
  }
  const seconds = Number(mtime / NS_PER_SECOND);
  futimesSync(fd, seconds, seconds);
}

function ownerOf(header: TarHeader, ownership: Ownership): { readonly uid: number; readonly gid: number } | undefined {
  if (ownership === "process") return undefined;
  return ownership === "archive" ? header : ownership;
}

/** Returns whether an archive must not set an attribute, because it has a meaning for the kernel or for overlayfs. */
export function isReservedXattr(name: string): boolean {
  return name.startsWith("trusted.") || name.startsWith("user.overlay.");
}

function setXattrs(at: Path, header: TarHeader): void {
  for (const [name, value] of header.xattrs) {
    if (!isReservedXattr(name)) trySetXattr(at, pathOfByteString(name), value, header.type);
  }
}

/** Removes the attributes that an existing directory has from a lower layer and that the new entry lacks. */
export function dropXattrs(at: Path, { xattrs }: TarHeader): void {
  for (const name of llistxattr(at)) {
    if (isReservedXattr(name) || xattrs.has(byteStringOf(name))) continue;
    if (name.startsWith("user.") || name === "security.capability") lremovexattr(at, name);
  }
}

/** Sets an attribute. Skips it if the filesystem does not support it, or the kernel does not allow it for this file or user. */
export function trySetXattr(at: Path, name: Path, value: Buffer, type: TarEntryType | "socket"): void {
  try {
    lsetxattr(at, name, value);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOTSUP" || errno === "EOPNOTSUPP") return;
    if (errno === "EPERM" && (lacksRights(byteStringOf(name)) || isMisplaced(byteStringOf(name), type))) return;
    throw error;
  }
}

/** The root of a user namespace may set a file's capabilities, and no other attribute that means something to the kernel. */
function lacksRights(name: ByteString): boolean {
  return process.geteuid?.() !== 0 || (ownIdMaps() !== undefined && name !== "security.capability");
}

/** Only files and directories can have `user` attributes. */
function isMisplaced(name: ByteString, type: TarEntryType | "socket"): boolean {
  return name.startsWith("user.") && type !== "file" && type !== "directory";
}
