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
import { lgetxattr, llistxattr, pathOfByteString, type ByteString } from "../linux/index.ts";
import { fileStatOf, sameFile, statEntry, type FileStat } from "./file-stat.ts";
import { headerBytes, headerDigest, isKeptXattr, keptXattrs, type Xattr } from "./header.ts";

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

/** The owner that counts in a checksum. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Entry {
  /** Absolute. */
  readonly path: ByteString;
  readonly stat: FileStat;
  readonly linkname: ByteString;
  readonly owner: Owner;
}

/** Attributes of an entry that count, in order. One that vanishes meanwhile is as if it had never been. */
function readXattrs(path: ByteString): Xattr[] {
  const file = pathOfByteString(path);
  const found = llistxattr(file).filter(isKeptXattr);
  const values = found.map((name): [string, Buffer | undefined] => [name, lgetxattr(file, name)]);
  return keptXattrs(values.filter((pair): pair is [string, Buffer] => pair[1] !== undefined));
}

function headerOf({ path, stat, linkname, owner }: Entry): Parameters<typeof headerBytes>[0] {
  return {
    kind: stat.kind,
    mode: stat.kind === "symlink" ? 0o777 : stat.mode & 0o7777,
    uid: owner.uid,
    gid: owner.gid,
    size: Number(stat.size),
    linkname,
    major: Number(((stat.rdev >> 8n) & 0xfffn) | ((stat.rdev >> 32n) & 0xfffff000n)),
    minor: Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xffffff00n)),
    xattrs: readXattrs(path),
  };
}

/** Files below this size are read at once, in bytes. */
const SMALL = 131_072;
const CHUNK = 1_048_576;

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** The header with room for the content, and one byte more, which shows a file that has grown. */
function roomFor(header: Buffer, size: number): Buffer {
  const room = Buffer.allocUnsafe(header.length + size + 1);
  header.copy(room);
  return room;
}

function digestOfRoom(room: Buffer, end: number): Digest | undefined {
  return end === room.length - 1 ? `sha256:${hashOnce("sha256", room.subarray(0, end), "hex")}` : undefined;
}

async function hashSmall(fd: number, header: Buffer, size: number): Promise<Digest | undefined> {
  const room = roomFor(header, size);
  let end = header.length;
  for (let count = -1; count !== 0 && end < room.length; end += count) count = await read(fd, room, end);
  return digestOfRoom(room, end);
}

function hashSmallNow(fd: number, header: Buffer, size: number): Digest | undefined {
  const room = roomFor(header, size);
  let end = header.length;
  for (let count = -1; count !== 0 && end < room.length; end += count)
    count = readSync(fd, room, end, room.length - end, null);
  return digestOfRoom(room, end);
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

/** True if `hashEntryNow` takes the entry. */
export function isSmall({ kind, size }: FileStat): boolean {
  return kind !== "file" || size < SMALL;
}

/** As `hashEntry`, without waiting, for an entry that is small. */
export function hashEntryNow(entry: Entry): Digest | undefined {
  if (entry.stat.kind !== "file") return hashWithoutContent(entry);
  const header = headerBytes(headerOf(entry));
  const fd = openSync(pathOfByteString(entry.path), OPEN_FLAGS);
  try {
    const digest = hashSmallNow(fd, header, Number(entry.stat.size));
    return isSame(entry.stat, fd) ? digest : undefined;
  } finally {
    closeSync(fd);
  }
}

/**
 * The digest of an entry's header and content, or undefined if the entry was not what `stat` says, before, while or after it
 * was read.
 */
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
