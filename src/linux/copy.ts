import { constants, fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { Errno, systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";

const ioctl = libcCall("ioctl", ["int", "ulong", "long"]);
const copyFileRange = libcCall("copy_file_range", ["int", "void *", "int", "void *", "size_t", "uint"], "long");
const lseek = libcCall("lseek", ["int", "int64_t", "int"], "int64_t");

const FICLONE = 0x4004_9409;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** Bytes per call of copy_file_range. The event loop runs between two calls. */
const STEP = 8_388_608;
const NO_CLONE = new Set([
  Errno.EOPNOTSUPP,
  Errno.EXDEV,
  Errno.EINVAL,
  Errno.ENOTTY,
  Errno.ENOSYS,
  Errno.EPERM,
  Errno.ETXTBSY,
]);
const NO_RANGE = new Set([
  Errno.EOPNOTSUPP,
  Errno.EXDEV,
  Errno.EINVAL,
  Errno.ENOSYS,
  Errno.EPERM,
  Errno.EBADF,
  Errno.EIO,
]);

/** Makes `to` share the blocks of `from` (both descriptors); false where the filesystem cannot. */
export function reflink(from: number, to: number): boolean {
  const cloned = ioctl.attempt(to, FICLONE, from);
  if (cloned >= 0) return true;
  if (NO_CLONE.has(-cloned)) return false;
  throw systemError(-cloned, "ioctl");
}

/**
 * Copies bytes from the current position of one descriptor to that of another, in the kernel. Returns how many were copied,
 * 0 at the end, undefined where the kernel cannot.
 */
function copyRange(from: number, to: number, length: number): number | undefined {
  const copied = copyFileRange.attempt(from, null, to, null, length, 0);
  if (copied >= 0) return copied;
  if (NO_RANGE.has(-copied)) return undefined;
  throw systemError(-copied, "copy_file_range");
}

/**
 * Copies the content of a regular file into an empty one, both open at their start, the cheapest possible way: shared blocks,
 * then a copy in the kernel, then through memory. Holes stay holes. Blocks this thread: for small files.
 */
export function copyDataSync(from: number, to: number): void {
  for (const _step of copySteps(from, to));
}

/** As `copyDataSync`, but yields to the event loop every few megabytes, where it can be cancelled. */
export async function copyData(from: number, to: number, signal?: AbortSignal): Promise<void> {
  for (const _step of copySteps(from, to)) {
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Pairs of filesystems, "from:to", that cannot share blocks; asked once. */
const unshared = new Set<string>();

function* copySteps(from: number, to: number): Generator<void> {
  const { size, blocks, dev } = fstatSync(from);
  if (size > 0 && share(from, dev, to)) return;
  if (blocks * 512 < size) yield* copySparse(from, to, size);
  else yield* copyStretch(from, to, Infinity);
}

function share(from: number, device: number, to: number): boolean {
  const pair = `${device}:${fstatSync(to).dev}`;
  if (unshared.has(pair)) return false;
  if (reflink(from, to)) return true;
  unshared.add(pair);
  return false;
}

function* copySparse(from: number, to: number, size: number): Generator<void> {
  for (let at = 0; at < size;) {
    const data = lseek.attempt(from, at, SEEK_DATA);
    if (data < 0) break;
    const hole = lseek.attempt(from, data, SEEK_HOLE);
    const end = hole < 0 ? size : hole;
    lseek({}, from, data, constants.O_RDONLY);
    lseek({}, to, data, constants.O_RDONLY);
    yield* copyStretch(from, to, end - data);
    at = end;
  }
  ftruncateSync(to, size);
}

function* copyStretch(from: number, to: number, length: number): Generator<void> {
  for (let done = 0; done < length;) {
    const copied = copyRange(from, to, Math.min(length - done, STEP));
    // Some filesystems (those under /proc) report 0 although there is something to read.
    if (copied === undefined || (copied === 0 && done === 0)) return yield* copyThroughMemory(from, to, length - done);
    if (copied === 0) return;
    done += copied;
    if (copied === STEP) yield;
  }
}

function* copyThroughMemory(from: number, to: number, length: number): Generator<void> {
  // Most files are small, and a buffer for each of them costs as much memory as it has.
  const buffer = Buffer.allocUnsafe(Math.min(length, 262_144));
  for (let left = length; left > 0;) {
    const got = readSync(from, buffer, 0, Math.min(left, buffer.length), null);
    if (got === 0) return;
    for (let at = 0; at < got;) at += writeSync(to, buffer, at, got - at, null);
    left -= got;
    yield;
  }
}
