import { NS_PER_SECOND } from "../core/index.ts";
import { lstatSync, type BigIntStats } from "node:fs";
import { type ByteString, type EntryStat, pathOfByteString } from "../linux/index.ts";
import type { NodeKind } from "./header.ts";

/** The metadata of an entry from `lstat`. Times are in nanoseconds since 1970. */
export interface FileStat extends EntryStat {
  readonly kind: NodeKind;
}

/** The metadata by which a change of a file is detected. */
export type Fingerprint = Pick<FileStat, "dev" | "ino" | "size" | "mtime" | "ctime" | "mode">;

const S_IFMT = 0o170000;
const KINDS: ReadonlyMap<number, NodeKind> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o020000, "character-device"],
  [0o060000, "block-device"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
]);

/** Adds the kind of an entry to its metadata. */
export function withKind(stat: EntryStat): FileStat {
  return { ...stat, kind: KINDS.get(stat.mode & S_IFMT) ?? "file" };
}

/** Converts the result of Node's `lstat`. */
export function fileStatOf(stats: BigIntStats): FileStat {
  const mode = Number(stats.mode);
  return {
    kind: KINDS.get(mode & S_IFMT) ?? "file",
    dev: stats.dev,
    ino: stats.ino,
    mode,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    size: stats.size,
    rdev: stats.rdev,
    mtime: stats.mtimeNs,
    ctime: stats.ctimeNs,
  };
}

/** Returns the metadata of an entry, without following a symbolic link. Undefined if it does not exist. */
export function statEntry(path: ByteString): FileStat | undefined {
  const stats = lstatSync(pathOfByteString(path), { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? undefined : fileStatOf(stats);
}

/** Returns whether a file is unchanged. Misses a change within the same tick of the filesystem's clock (see `isRacy`). */
export function sameFile(a: Fingerprint, b: Fingerprint): boolean {
  return (
    a.ino === b.ino &&
    a.mtime === b.mtime &&
    a.ctime === b.ctime &&
    a.size === b.size &&
    a.mode === b.mode &&
    a.dev === b.dev
  );
}

/** The kernel's coarse clock ticks at least every 10 ms. Filesystems without fractions may store only even seconds. */
const FINE_TICK = 20_000_000n;
const COARSE_TICK = 2n * NS_PER_SECOND;

function isRecent(time: bigint, now: bigint): boolean {
  const tick = time % NS_PER_SECOND === 0n ? COARSE_TICK : FINE_TICK;
  return time > now - tick;
}

/**
 * Returns whether a file was changed so shortly before it was read that another change may not change its times. This is git's
 * rule for racy entries. The digest of such a file must not be cached. `readAt` is the time before the first read, in
 * nanoseconds since 1970.
 */
export function isRacy({ mtime, ctime }: FileStat, readAt: bigint): boolean {
  // A modification time in the future was set explicitly. It does not say when the file was written.
  return isRecent(ctime, readAt) || (mtime <= readAt && isRecent(mtime, readAt));
}

/** Returns the current time in nanoseconds since 1970. */
export function wallClock(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
