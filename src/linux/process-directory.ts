import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "./flock.ts";
import { makeDirectories } from "./make-directories.ts";

const LOCK = ".lock";

/** How directories go. Each takes one away and says whether it is gone. */
export interface Removal {
  /** This process's own, when it is done. */
  readonly own: (path: string) => boolean;
  /** One that a process has left which is no more. */
  readonly left: (path: string) => boolean;
}

/**
 * Directories of processes in one parent directory, each locked as long as its process lives. The first use makes this
 * process's own, and has what processes have left that are no more taken away.
 */
export class ProcessDirectory implements Disposable {
  readonly #parent: string;
  readonly #remove: Removal;
  #own: { readonly path: string; readonly lock: Disposable } | undefined;

  /** `parent` is made when it is needed. */
  constructor(parent: string, remove: Removal) {
    this.#parent = parent;
    this.#remove = remove;
  }

  /** This process's own directory, mode 0700. */
  get path(): string {
    this.#own ??= this.#open();
    return this.#own.path;
  }

  /** Removes the directory, if it can be removed now, and lets go of it. */
  [Symbol.dispose](): void {
    if (this.#own === undefined) return;
    const { path, lock } = this.#own;
    this.#own = undefined;
    // What cannot be removed keeps its lock file, for the next process to find.
    if (this.#remove.own(path)) rmSync(path + LOCK, { force: true });
    lock[Symbol.dispose]();
  }

  #open(): { path: string; lock: Disposable } {
    makeDirectories(this.#parent, 0o700);
    this.#sweep();
    for (;;) {
      const path = join(this.#parent, `${process.pid}-${randomBytes(6).toString("hex")}`);
      const lock = tryLock(path + LOCK, "exclusive");
      // Somebody who sweeps may have taken the lock, or the file, before it was ours.
      if (lock !== undefined && existsSync(path + LOCK)) {
        mkdirSync(path, { mode: 0o700 });
        return { path, lock };
      }
      lock?.[Symbol.dispose]();
    }
  }

  #sweep(): void {
    for (const name of readdirSync(this.#parent)) {
      if (!name.endsWith(LOCK)) continue;
      const file = join(this.#parent, name);
      using lock = tryLock(file, "exclusive");
      if (lock !== undefined && this.#remove.left(file.slice(0, -LOCK.length))) rmSync(file, { force: true });
    }
  }
}
