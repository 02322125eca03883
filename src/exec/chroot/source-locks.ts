import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tryLock } from "../../linux/index.ts";

/** Number of locks. Sources whose names hash alike wait for each other. */
const LOCKS = 64;
/** Milliseconds between two attempts to get a lock that is taken. */
const POLL = 50;

/**
 * Waits until no other step, of this or another process, has any of these directories in its tree. They are this step's until the result is
 * disposed of. Locks are files in `stateDir`.
 */
export async function lockSources(
  stateDir: string,
  sources: readonly string[],
  isAborted: () => boolean,
): Promise<Disposable> {
  using locks = new DisposableStack();
  // Everybody takes them in the same order, so that nobody waits for each other.
  for (const name of new Set(sources.map((source) => lockName(source)).toSorted())) {
    for (;;) {
      const lock = tryLock(join(stateDir, name));
      if (lock !== undefined) {
        locks.use(lock);
        break;
      }
      if (isAborted()) break;
      await sleep(POLL);
    }
  }
  return locks.move();
}

function lockName(source: string): string {
  const [byte = 0] = createHash("sha256").update(source).digest();
  return `source-${byte % LOCKS}.lock`;
}
