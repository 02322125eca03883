import { closeSync, constants, openSync } from "node:fs";
import { Errno, systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";
import type { Path } from "./path.ts";

const flockCall = libcCall("flock", ["int", "int"]);
const MODES = { shared: 1, exclusive: 2, release: 8 } as const;
const LOCK_NB = 4;

/** flock(2) on an open file, without waiting: false if another open file holds a lock that conflicts. */
export function flock(fd: number, mode: keyof typeof MODES): boolean {
  const locked = flockCall.attempt(fd, MODES[mode] | LOCK_NB);
  if (locked >= 0) return true;
  if (locked === -Errno.EWOULDBLOCK) return false;
  throw systemError(-locked, "flock");
}

/**
 * Takes a lock on a file, made if needed; undefined if it is taken. The lock ends with the disposable, or with the process
 * and the children that inherited it.
 */
export function tryLock(path: Path, mode: "shared" | "exclusive" = "exclusive"): Disposable | undefined {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    if (flock(fd, mode)) return heldBy(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** Closes the descriptor only once: its number may later belong to another file. */
function heldBy(fd: number): Disposable {
  let held = true;
  return {
    [Symbol.dispose]: () => {
      if (held) closeSync(fd);
      held = false;
    },
  };
}
