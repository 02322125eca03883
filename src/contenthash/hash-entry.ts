import { close as closeCallback, constants, fstatSync, open as openCallback, read as readCallback } from "node:fs";
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

const SMALL = 131_072;
const CHUNK = 1_048_576;

async function hashSmall(fd: number, header: Buffer, size: number): Promise<Digest | undefined> {
  // One byte more than promised shows a file that has grown.
  const buffer = Buffer.allocUnsafe(header.length + size + 1);
  header.copy(buffer);
  let end = header.length;
  for (let count = -1; count !== 0 && end < buffer.length; end += count) count = await read(fd, buffer, end);
  return end === header.length + size ? `sha256:${hashOnce("sha256", buffer.subarray(0, end), "hex")}` : undefined;
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

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * The digest of an entry's header and content, or undefined if the entry was not what `stat` says, before, while or after it
 * was read.
 */
export async function hashEntry(entry: Entry, signal?: AbortSignal): Promise<Digest | undefined> {
  const header = headerOf(entry);
  if (entry.stat.kind !== "file") {
    const after = statEntry(entry.path);
    return after !== undefined && sameFile(after, entry.stat) ? headerDigest(header) : undefined;
  }
  const size = Number(entry.stat.size);
  const fd = await open(pathOfByteString(entry.path), OPEN_FLAGS);
  try {
    const bytes = headerBytes(header);
    const digest = size < SMALL ? await hashSmall(fd, bytes, size) : await hashLarge(fd, bytes, size, signal);
    return sameFile(fileStatOf(fstatSync(fd, { bigint: true })), entry.stat) ? digest : undefined;
  } finally {
    await close(fd);
  }
}
