import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { tryLock } from "./flock.ts";
import { makeDirectories } from "./make-directories.ts";

const LOCK = ".lock";

/** How directories are removed; one that cannot be stays. */
export interface Removal {
  /** This process's own, when it is done. */
  readonly own: (path: string) => void;
  /** One that a process has left which is no more. */
  readonly left: (path: string) => void;
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

  /** What the process is known by to others: `isAlive`. */
  get name(): string {
    return basename(this.path);
  }

  /** Whether the process that has, or had, the directory of this name lives. */
  isAlive(name: string): boolean {
    const file = join(this.#parent, basename(name) + LOCK);
    if (!existsSync(file)) return false;
    using lock = tryLock(file, "exclusive");
    return lock === undefined;
  }

  /**
   * Directories that processes have left which are no more. Each is locked until the next one is asked for; its lock goes if the
   * directory is gone by then.
   */
  *abandoned(): Generator<string> {
    for (const name of existsSync(this.#parent) ? readdirSync(this.#parent) : []) {
      if (!name.endsWith(LOCK)) continue;
      const file = join(this.#parent, name);
      const path = file.slice(0, -LOCK.length);
      using lock = tryLock(file, "exclusive");
      if (lock === undefined) continue;
      yield path;
      if (!existsSync(path)) rmSync(file, { force: true });
    }
  }

  /** Removes the directory, if it can be removed now, and lets go of it. */
  [Symbol.dispose](): void {
    if (this.#own === undefined) return;
    const { path, lock } = this.#own;
    this.#own = undefined;
    // What cannot be removed keeps its lock file, for the next process to find.
    this.#remove.own(path);
    if (!existsSync(path)) rmSync(path + LOCK, { force: true });
    lock[Symbol.dispose]();
  }

  #open(): { path: string; lock: Disposable } {
    makeDirectories(this.#parent, 0o700);
    for (const path of this.abandoned()) this.#remove.left(path);
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
}
