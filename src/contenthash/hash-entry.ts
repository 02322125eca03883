import {
  close as closeCallback,
  closeSync,
  constants,
  fstatSync,
  open as openCallback,
  openSync,
  read as readCallback,
  readSync,
} from "node:fs";
import { createHash, hash as hashOnce } from "node:crypto";
import { promisify } from "node:util";
import { throwIfAborted, type Digest } from "../core/index.ts";
import { free, freeable } from "../io/index.ts";
import { lgetxattr, llistxattr, pathOfByteString, type ByteString } from "../linux/index.ts";
import { fileStatOf, sameFile, statEntry, type FileStat } from "./file-stat.ts";
import { headerBytes, headerDigest, isKeptXattr, keptXattrs, type Header, type Xattr } from "./header.ts";

const open = promisify(openCallback);
const close = promisify(closeCallback);

function read(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    readCallback(fd, buffer, offset, buffer.length - offset, null, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

/** The owner that a checksum covers. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Entry {
  /** The absolute path. */
  readonly path: ByteString;
  readonly stat: FileStat;
  readonly linkname: ByteString;
  readonly owner: Owner;
  /** See `readXattrs`. */
  readonly xattrs: readonly Xattr[];
  /** The permission bits that the checksum covers. Ignored for a symbolic link. */
  readonly mode: number;
}

const NO_XATTRS: readonly Xattr[] = [];

/** Returns the extended attributes that the checksum covers, in order. Ignores attributes that are removed while it reads. */
export function readXattrs(path: ByteString): readonly Xattr[] {
  const file = pathOfByteString(path);
  const found = llistxattr(file).filter(isKeptXattr);
  if (found.length === 0) return NO_XATTRS;
  const values = found.map((name): [string, Buffer | undefined] => [name, lgetxattr(file, name)]);
  return keptXattrs(values.filter((pair): pair is [string, Buffer] => pair[1] !== undefined));
}

/** Returns the metadata of an entry that the checksum covers. */
export function headerOf({ stat, linkname, owner, mode, xattrs }: Omit<Entry, "path">): Header {
  const { rdev } = stat;
  const isDevice = rdev !== 0n;
  return {
    kind: stat.kind,
    mode: stat.kind === "symlink" ? 0o777 : mode,
    uid: owner.uid,
    gid: owner.gid,
    size: Number(stat.size),
    linkname,
    major: isDevice ? Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)) : 0,
    minor: isDevice ? Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)) : 0,
    xattrs,
  };
}

/** Files below this size are read into memory. Bytes. */
const SMALL = 131_072;
const CHUNK = 1_048_576;

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Memory for one small file at a time. A buffer for each file is outside the heap and lives until a collection: thousands of files would
 * cause dozens of collections.
 */
let shared: Buffer | undefined;

function sharedBuffer(length: number): Buffer {
  if (length > 2 * SMALL) return Buffer.allocUnsafe(length);
  shared ??= Buffer.allocUnsafeSlow(2 * SMALL);
  return shared.subarray(0, length);
}

/** Returns the digest of the first `end` bytes. Undefined if the file has grown or shrunk. */
function digestOfBuffer(buffer: Buffer, end: number): Digest | undefined {
  return end === buffer.length - 1 ? `sha256:${hashOnce("sha256", buffer.subarray(0, end), "hex")}` : undefined;
}

async function hashSmall(fd: number, header: Buffer, size: number): Promise<Digest | undefined> {
  // One more byte than the file has is read if it has grown.
  const buffer = Buffer.allocUnsafeSlow(header.length + size + 1);
  let end = header.copy(buffer);
  for (let count = -1; count !== 0 && end < buffer.length; end += count) count = await read(fd, buffer, end);
  const digest = digestOfBuffer(buffer, end);
  free(freeable(buffer));
  return digest;
}

function hashSmallSync(fd: number, header: Buffer, size: number): Digest | undefined {
  const buffer = sharedBuffer(header.length + size + 1);
  let end = header.copy(buffer);
  for (let count = -1; count !== 0 && end < buffer.length; end += count)
    count = readSync(fd, buffer, end, buffer.length - end, null);
  return digestOfBuffer(buffer, end);
}

async function hashLarge(
  fd: number,
  header: Buffer,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  const hash = createHash("sha256").update(header);
  const buffer = Buffer.allocUnsafe(CHUNK);
  let total = 0;
  for (let count = -1; count !== 0 && total <= size; total += count) {
    throwIfAborted(signal, "checksum files");
    count = await read(fd, buffer, 0);
    hash.update(buffer.subarray(0, count));
  }
  return total === size ? `sha256:${hash.digest("hex")}` : undefined;
}

function isSame(stat: FileStat, fd: number): boolean {
  return sameFile(fileStatOf(fstatSync(fd, { bigint: true })), stat);
}

function hashWithoutContent(entry: Entry): Digest | undefined {
  const digest = headerDigest(headerOf(entry));
  const after = statEntry(entry.path);
  return after !== undefined && sameFile(after, entry.stat) ? digest : undefined;
}

/** Returns whether `hashEntrySync` can hash the entry. */
export function isSmall({ kind, size }: FileStat): boolean {
  return kind !== "file" || size < SMALL;
}

/** Like `hashEntry`, but synchronous, for a small entry. */
export function hashEntrySync(entry: Entry): Digest | undefined {
  if (entry.stat.kind !== "file") return hashWithoutContent(entry);
  const header = headerBytes(headerOf(entry));
  const fd = openSync(pathOfByteString(entry.path), OPEN_FLAGS);
  try {
    const digest = hashSmallSync(fd, header, Number(entry.stat.size));
    return isSame(entry.stat, fd) ? digest : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Returns the digest of an entry's header and content. Undefined if the entry has changed since `stat`, or changes now. */
export async function hashEntry(entry: Entry, signal?: AbortSignal): Promise<Digest | undefined> {
  if (entry.stat.kind !== "file") return hashWithoutContent(entry);
  const header = headerBytes(headerOf(entry));
  const size = Number(entry.stat.size);
  const fd = await open(pathOfByteString(entry.path), OPEN_FLAGS);
  try {
    const digest = size < SMALL ? await hashSmall(fd, header, size) : await hashLarge(fd, header, size, signal);
    return isSame(entry.stat, fd) ? digest : undefined;
  } finally {
    await close(fd);
  }
}
