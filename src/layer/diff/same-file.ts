import { NS_PER_SECOND } from "../../core/index.ts";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { pathOfByteString } from "../../linux/index.ts";
import { CAPABILITY, linkTarget, type TreeFile, xattrOf } from "./tree.ts";

const CHUNK = 262_144;

/**
 * Returns whether two files are the same for a layer, by the rule of BuildKit and of containerd's continuity. They are the same
 * inode, or type, mode, owner, device and capabilities are equal, and, except for directories, size and time as well. If both
 * times have no nanoseconds, an archive may have truncated them, so the content is compared too.
 *
 * Yields from time to time while it compares content, so that the caller can pause.
 */
export function* sameFile(lower: TreeFile, upper: TreeFile): Generator<undefined, boolean> {
  const [a, b] = [lower.stats, upper.stats];
  if (a.ino === b.ino && a.dev === b.dev) return true;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return false;
  if (upper.type === "directory") return sameCapabilities(lower, upper);
  if (a.size !== b.size || a.mtimeNs !== b.mtimeNs || !sameCapabilities(lower, upper)) return false;
  if (b.mtimeNs % NS_PER_SECOND !== 0n) return true;
  if (upper.type === "symlink") return linkTarget(lower) === linkTarget(upper);
  return upper.type !== "file" || b.size === 0n || (yield* sameContent(lower, upper));
}

function sameCapabilities(lower: TreeFile, upper: TreeFile): boolean {
  const [a, b] = [xattrOf(lower, CAPABILITY), xattrOf(upper, CAPABILITY)];
  return a === undefined || b === undefined ? (a?.length ?? 0) === (b?.length ?? 0) : a.equals(b);
}

function* sameContent(lower: TreeFile, upper: TreeFile): Generator<undefined, boolean> {
  using a = openFile(lower);
  using b = openFile(upper);
  const [left, right] = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)];
  for (;;) {
    const size = fill(a.fd, left);
    if (fill(b.fd, right) !== size || left.compare(right, 0, size, 0, size) !== 0) return false;
    if (size < CHUNK) return true;
    yield undefined;
  }
}

/** Opens a regular file. If something else has replaced it, a link is not followed and a pipe does not block. */
export function openFile(file: TreeFile): { readonly fd: number } & Disposable {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(pathOfByteString(file.fullPath), flags);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Reads until the buffer is full or the file ends. Returns the number of bytes read. */
export function fill(fd: number, buffer: Buffer): number {
  let size = 0;
  while (size < buffer.length) {
    const got = readSync(fd, buffer, size, buffer.length - size, null);
    if (got === 0) break;
    size += got;
  }
  return size;
}
