import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, throwIfAborted } from "../../core/index.ts";
import { flock } from "../../linux/index.ts";

/** The file that BuildKit's clients lock while they change an index. */
const LOCK = "index.json.lock";
/** Interval between attempts, in milliseconds. */
const POLL = 20;

/** True if the path still refers to the open file: a process that releases the lock removes its file. */
function isCurrent(fd: number, path: string): boolean {
  try {
    const [open, named] = [fstatSync(fd), statSync(path)];
    return open.ino === named.ino && open.dev === named.dev;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

function tryLock(path: string, mode: "shared" | "exclusive"): Disposable | undefined {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  let isHeld = false;
  try {
    isHeld = flock(fd, mode) && isCurrent(fd, path);
  } finally {
    if (!isHeld) closeSync(fd);
  }
  if (!isHeld) return undefined;
  return {
    [Symbol.dispose]: () => {
      if (!isHeld) return;
      isHeld = false;
      if (mode === "exclusive") rmSync(path, { force: true });
      closeSync(fd);
    },
  };
}

/**
 * Waits for the lock of an OCI layout. Disposing of the result releases the lock. Writers hold it `exclusive` while they change the
 * index and remove blobs. While a reader holds it `shared`, no blob of the index is removed.
 *
 * @throws {VarveError} `cancelled`
 */
export async function lockLayout(
  directory: string,
  mode: "shared" | "exclusive",
  signal: AbortSignal | undefined,
): Promise<Disposable> {
  for (;;) {
    throwIfAborted(signal, `wait for the lock of ${directory}`);
    const lock = tryLock(join(directory, LOCK), mode);
    if (lock !== undefined) return lock;
    await sleep(POLL, undefined, { signal }).catch(() => undefined);
  }
}
