import { lstatSync, type BigIntStats } from "node:fs";
import { pathOfByteString, type ByteString } from "../linux/index.ts";
import type { NodeKind } from "./types.ts";

/** What `lstat` says of an entry, as far as anybody needs it. Times in nanoseconds since 1970. */
export interface FileStat {
  readonly kind: NodeKind;
  readonly dev: bigint;
  readonly ino: bigint;
  /** As the kernel has it: type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: bigint;
  readonly rdev: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
}

/** The part of an entry's state that changes whenever its checksum does. */
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

/** The entry itself, a link not followed; undefined if there is none. */
export function statEntry(path: ByteString): FileStat | undefined {
  const stats = lstatSync(pathOfByteString(path), { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? undefined : fileStatOf(stats);
}

/** True if nothing can have been written between the two, but within one tick of the filesystem's clock. */
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

const SECOND = 1_000_000_000n;
/** A kernel's coarse clock ticks at least every 10 ms; filesystems without fractions of a second may store every other one. */
const FINE_TICK = 20_000_000n;
const COARSE_TICK = 2n * SECOND;

function isRecent(time: bigint, now: bigint): boolean {
  const tick = time % SECOND === 0n ? COARSE_TICK : FINE_TICK;
  return time > now - tick;
}

/**
 * Git's rule for racy entries: a file changed so shortly before it was read that it can be changed again without its times
 * showing it. What is read of it must not be remembered under these times. `readAt` in nanoseconds, before the first read.
 */
export function isYoung({ mtime, ctime }: FileStat, readAt: bigint): boolean {
  // A time in the future was set by hand, and says nothing about when the file was written.
  return isRecent(ctime, readAt) || (mtime <= readAt && isRecent(mtime, readAt));
}

/** Wall clock in nanoseconds since 1970. */
export function wallClock(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
