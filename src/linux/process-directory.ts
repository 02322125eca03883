import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { tryLock } from "./flock.ts";
import { makeDirectories } from "./make-directories.ts";

const LOCK = ".lock";

/** How directories are removed. Directories that cannot be removed stay. */
export interface Removal {
  /** Removes this process's own directory at its end. */
  readonly own: (path: string) => void;
  /** Removes the directory of a dead process. */
  readonly left: (path: string) => void;
}

/**
 * Directories of processes in one parent directory, each locked as long as its process lives. The first use creates this process's own
 * directory, and removes those of dead processes.
 */
export class ProcessDirectory implements Disposable {
  readonly #parent: string;
  readonly #remove: Removal;
  #own: { readonly path: string; readonly lock: Disposable } | undefined;

  /** `parent` is created when it is needed. */
  constructor(parent: string, remove: Removal) {
    this.#parent = parent;
    this.#remove = remove;
  }

  /** This process's own directory, mode 0700. */
  get path(): string {
    this.#own ??= this.#open();
    return this.#own.path;
  }

  /** The name by which other processes check this one with `isAlive`. */
  get name(): string {
    return basename(this.path);
  }

  /** True if the process with the directory of this name is alive. */
  isAlive(name: string): boolean {
    const file = join(this.#parent, basename(name) + LOCK);
    if (!existsSync(file)) return false;
    using lock = tryLock(file, "exclusive");
    return lock === undefined;
  }

  /**
   * Yields the directories of dead processes. Each is locked until the next one is requested; its lock file is removed if the directory is
   * gone by then.
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

  /** Removes the directory if possible, and releases it. */
  [Symbol.dispose](): void {
    if (this.#own === undefined) return;
    const { path, lock } = this.#own;
    this.#own = undefined;
    // A directory that cannot be removed keeps its lock file, so that the next process finds it.
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
      // Another process may have locked or removed the file before.
      if (lock !== undefined && existsSync(path + LOCK)) {
        mkdirSync(path, { mode: 0o700 });
        return { path, lock };
      }
      lock?.[Symbol.dispose]();
    }
  }
}
