import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  mkdirSync,
  openSync,
  symlinkSync,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { errnoOf, throwIfAborted } from "../../core/index.ts";
import {
  byteStringOf,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lutimes,
  mknod,
  type Path,
  pathOfByteString,
} from "../../linux/index.ts";
import { TYPE_BITS } from "../tar/format.ts";
import type { TarEntry, TarEntryType, TarHeader, TarPiece } from "../types.ts";

/** Who owns what is unpacked: the archive's owners, one owner for all, or whoever runs this. */
export type Ownership = "archive" | "process" | { readonly uid: number; readonly gid: number };

export interface PlaceOptions {
  readonly ownership: Ownership;
  readonly signal: AbortSignal | undefined;
}

const writeAsync = promisify(write);
/** Chunks of larger files are written off this thread: the kernel may make a writer wait. */
const LARGE = 1_048_576;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Makes a new file with its content and metadata; throws EEXIST if there is something. */
export async function placeFile(at: Path, entry: TarEntry, options: PlaceOptions): Promise<void> {
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
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    setXattrs(at, entry);
    fchmodSync(fd, entry.mode);
    setFileTime(fd, at, entry);
  } finally {
    closeSync(fd);
  }
}

/** Writes a sparse file: what lies between the pieces and behind them are holes. */
async function writePieces(
  fd: number,
  pieces: AsyncIterable<TarPiece>,
  size: number,
  { signal }: PlaceOptions,
): Promise<void> {
  for await (const { at, bytes } of pieces) {
    throwIfAborted(signal, "unpack");
    writeAllSync(fd, bytes, at);
  }
  ftruncateSync(fd, size);
}

/** Writes where the last writing ended, off this thread. */
async function writeAll(fd: number, chunk: Uint8Array): Promise<void> {
  for (let from = 0; from < chunk.byteLength;) from += (await writeAsync(fd, chunk, from)).bytesWritten;
}

/** Writes at a place in the file, or where the last writing ended. */
function writeAllSync(fd: number, chunk: Uint8Array, at: number | null): void {
  for (let from = 0; from < chunk.byteLength;) {
    from += writeSync(fd, chunk, from, chunk.byteLength - from, at === null ? null : at + from);
  }
}

/** Makes a new link, device or pipe with its metadata; throws EEXIST if there is something. */
export function placeNode(
  at: Path,
  header: TarHeader & { readonly type: "symlink" | "char" | "block" | "fifo" },
  options: PlaceOptions,
): void {
  if (header.type === "symlink") symlinkSync(pathOfByteString(header.linkPath), at);
  else mknod(at, TYPE_BITS[header.type] | 0o600, header.devMajor, header.devMinor);
  setMetadata(at, header, options);
  setTime(at, header);
}

/** Makes a directory unless it is there, and sets its metadata but for its time. */
export function placeDirectory(at: Path, header: TarHeader, options: PlaceOptions): void {
  try {
    mkdirSync(at, 0o700);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  setMetadata(at, header, options);
}

/** Owner, attributes, mode: in this order, since a change of owner takes the set-id bits and capabilities away. */
export function setMetadata(at: Path, header: TarHeader, { ownership }: PlaceOptions): void {
  const owner = ownerOf(header, ownership);
  if (owner !== undefined) lchownSync(at, owner.uid, owner.gid);
  setXattrs(at, header);
  if (header.type !== "symlink") chmodSync(at, header.mode);
}

export function setTime(at: Path, { mtime }: TarHeader): void {
  lutimes(at, { atime: mtime, mtime });
}

const SECOND = 1_000_000_000n;

/** As `setTime`, for an open file: for whole seconds, which most layers have, by a call that Node has itself. */
function setFileTime(fd: number, at: Path, { mtime }: TarHeader): void {
  if (mtime < 0n || mtime % SECOND !== 0n) {
    lutimes(at, { atime: mtime, mtime });
    return;
  }
  const seconds = Number(mtime / SECOND);
  futimesSync(fd, seconds, seconds);
}

function ownerOf(header: TarHeader, ownership: Ownership): { readonly uid: number; readonly gid: number } | undefined {
  if (ownership === "process") return undefined;
  return ownership === "archive" ? header : ownership;
}

/** Attributes with a meaning for the kernel or an overlay are no archive's to set. */
export function isForeignXattr(name: string): boolean {
  return name.startsWith("trusted.") || name.startsWith("user.overlay.");
}

function setXattrs(at: Path, header: TarHeader): void {
  for (const [name, value] of header.xattrs) {
    if (!isForeignXattr(name)) trySetXattr(at, pathOfByteString(name), value, header.type);
  }
}

/** Takes away the attributes of an older layer: an entry's metadata replace those of the directory that is there. */
export function dropXattrs(at: Path, { xattrs }: TarHeader): void {
  for (const name of llistxattr(at)) {
    if (isForeignXattr(name) || xattrs.has(byteStringOf(name))) continue;
    if (name.startsWith("user.") || name === "security.capability") lremovexattr(at, name);
  }
}

/** Sets an attribute, unless the filesystem has none, or the kernel has none on this type of file or for this user. */
export function trySetXattr(at: Path, name: Path, value: Buffer, type: TarEntryType | "socket"): void {
  try {
    lsetxattr(at, name, value);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOTSUP" || errno === "EOPNOTSUPP") return;
    const isPlain = type === "file" || type === "directory";
    if (errno === "EPERM" && (process.geteuid?.() !== 0 || (byteStringOf(name).startsWith("user.") && !isPlain)))
      return;
    throw error;
  }
}
