import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  readSync,
  read as readCallback,
  readlinkSync,
} from "node:fs";
import { promisify } from "node:util";
import { errnoOf } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import {
  type ByteString,
  type Path,
  Root,
  lgetxattr,
  llistxattr,
  byteStringOf,
  pathOfByteString,
  splitDevice,
} from "../../linux/index.ts";
import type { PathFilter, PathVerdict } from "../../pattern/index.ts";
import { listNames } from "../../snapshot/index.ts";
import { goModeOf } from "../mode.ts";
import { joinBytes } from "../order.ts";
import { type Stat, emptyStat } from "../wire/stat.ts";
import type { Tree } from "./tree.ts";

export interface DirectoryTreeOptions {
  /** Decides which paths the tree contains, and the directories above them. The default is all. */
  readonly filter?: PathFilter | undefined;
  /** The owner of all entries. The default is each entry's own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** The time of all entries, in nanoseconds since 1970. The default is each entry's own. */
  readonly modTime?: bigint | undefined;
}

/** A file up to this size is read by one call, because a promise takes longer. Bytes. */
const SMALL = 262_144;
/** Size of the pieces of larger files. Clients take messages of up to 4 MiB. Bytes. */
const PIECE = 524_288;
const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
const readAsync = promisify(readCallback);

/** A directory of this machine as a tree to send. Dispose of it when it has been sent. */
export class DirectoryTree implements Tree, Disposable {
  readonly #directory: Root;
  readonly #options: DirectoryTreeOptions;

  constructor(directory: Path, options: DirectoryTreeOptions = {}) {
    this.#directory = Root.open(directory);
    this.#options = options;
  }

  *entries(): Generator<Stat> {
    const walk = { links: new Map<string, ByteString>() };
    for (const found of this.#below("", undefined)) yield this.#statOf(found, walk.links);
  }

  open(path: ByteString): Bytes | undefined {
    try {
      return readFile(this.#directory.openFile(pathOfByteString(path), OPEN));
    } catch (error) {
      // Whatever the reason is, the receiver gets an empty file, as from fsutil.
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  /** Yields the entries below a directory. A directory that the filter excludes comes before the first entry below it. */
  *#below(directory: ByteString, parent: PathVerdict | undefined): Generator<Found> {
    for (const name of this.#names(directory, parent)) {
      const path = joinBytes(directory, name);
      const verdict = this.#options.filter?.check(Buffer.from(path, "latin1").toString(), parent);
      if (verdict !== undefined && !verdict.included && !verdict.descend) continue;
      const stat = lstatSync(this.#at(path), { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue;
      let pending = stat.isDirectory() || (verdict?.included ?? true) ? { path, stat } : undefined;
      if (pending !== undefined && (verdict?.included ?? true)) {
        yield pending;
        pending = undefined;
      }
      if (!stat.isDirectory() || verdict?.descend === false) continue;
      for (const below of this.#below(path, verdict)) {
        if (pending !== undefined) yield pending;
        pending = undefined;
        yield below;
      }
    }
  }

  #names(directory: ByteString, verdict: PathVerdict | undefined): ByteString[] {
    try {
      return listNames(this.#at(directory));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR") return [];
      if ((errno === "EACCES" || errno === "EPERM") && verdict?.included === false) return [];
      throw error;
    }
  }

  #at(path: ByteString): Path {
    return pathOfByteString(`${this.#directory.path}/${path === "" ? "." : path}`);
  }

  /** `links` has the first name of each file with several names. */
  #statOf({ path, stat }: Found, links: Map<string, ByteString>): Stat {
    const { owner, modTime } = this.#options;
    const at = this.#at(path);
    const isDevice = stat.isCharacterDevice() || stat.isBlockDevice();
    const { major, minor } = isDevice ? splitDevice(stat.rdev) : { major: 0, minor: 0 };
    return {
      path,
      mode: goModeOf(Number(stat.mode)),
      uid: owner?.uid ?? Number(stat.uid),
      gid: owner?.gid ?? Number(stat.gid),
      size: stat.isDirectory() ? 0n : stat.size,
      modTime: modTime ?? stat.mtimeNs,
      linkname: stat.isSymbolicLink() ? readLink(at) : (firstName(path, stat, links) ?? ""),
      devmajor: BigInt(major),
      devminor: BigInt(minor),
      xattrs: xattrsOf(at),
    };
  }
}

interface Found {
  readonly path: ByteString;
  readonly stat: BigIntStats;
}

/** Returns the path under which a file was listed before. Undefined if this is the first of its names. */
function firstName(path: ByteString, stat: BigIntStats, links: Map<string, ByteString>): ByteString | undefined {
  if (stat.isDirectory() || stat.nlink < 2n) return undefined;
  const inode = `${stat.dev}:${stat.ino}`;
  const first = links.get(inode);
  if (first === undefined) links.set(inode, path);
  return first;
}

function readLink(at: Path): ByteString {
  return readlinkSync(at, { encoding: "latin1" });
}

/** Attributes of macOS, and those of overlayfs. */
const IGNORED = ["com.apple.", "trusted.overlay.", "user.overlay."];

function xattrsOf(at: Path): ReadonlyMap<ByteString, Uint8Array> {
  const names = llistxattr(at).filter((name) => !IGNORED.some((prefix) => name.startsWith(prefix)));
  if (names.length === 0) return emptyStat.xattrs;
  const xattrs = new Map<ByteString, Uint8Array>();
  for (const name of names) {
    const value = lgetxattr(at, name);
    if (value !== undefined) xattrs.set(byteStringOf(name), value);
  }
  return xattrs;
}

/** Returns the content of an open file, and closes it at the end. */
async function* readFile(fd: number): AsyncGenerator<Uint8Array> {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return;
    // One byte more than the file has: if it is not filled, the file has ended.
    const size = Math.min(stat.size + 1, PIECE);
    for (let count = size; count === size;) {
      const piece = Buffer.allocUnsafe(size);
      count = size <= SMALL ? readSync(fd, piece) : (await readAsync(fd, piece, 0, size, null)).bytesRead;
      if (count > 0) yield piece.subarray(0, count);
    }
  } finally {
    closeSync(fd);
  }
}
