import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, throwIfAborted } from "../../core/index.ts";
import { flock } from "../../linux/index.ts";

/** The file that BuildKit's clients lock while they change an index. */
const LOCK = "index.json.lock";
/** Milliseconds between looks. */
const POLL = 20;

/** True if the open file is still the one of that name: whoever gives a lock back removes its file. */
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
 * Waits for the lock of an OCI layout. Writers take it `exclusive` while they change the index and remove blobs; a reader
 * that holds it `shared` keeps every blob of the index it has read.
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
