import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../core/index.ts";
import { tryLock, unmountSync } from "../linux/index.ts";
import { type MountSpec, type MountedTree, mountSnapshot } from "../snapshot/index.ts";

const LOCK = ".lock";

/**
 * The mount points of a root. Each process has a directory of its own, which it keeps locked as long as it lives; what a
 * process that was killed has left is taken away by the next one that mounts.
 */
export class MountPoints implements Disposable {
  readonly #directory: string;
  #own: { readonly path: string; readonly lock: Disposable } | undefined;

  /** `directory` is made when it is needed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Mounts a snapshot; a writable plain directory is used where it is. */
  async mount(spec: MountSpec): Promise<MountedTree> {
    this.#own ??= this.#open();
    return await mountSnapshot(spec, undefined, this.#own.path);
  }

  /** Holds a directory by a mount of its own: what is put in its place afterwards does not count. */
  async pin(directory: string): Promise<MountedTree> {
    this.#own ??= this.#open();
    const target = await mkdtemp(join(this.#own.path, "pin-"));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rmdir(target));
    const { path } = stack.use(await mountSnapshot({ kind: "bind", source: directory, readonly: false }, target));
    const held = stack.move();
    return { path, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  /** Gives the directory back. What is still mounted stays until it is disposed of. */
  [Symbol.dispose](): void {
    if (this.#own === undefined) return;
    const { path, lock } = this.#own;
    this.#own = undefined;
    // Mounts that are still up keep their points; then the lock file stays too, for the next process to find.
    if (removeDirectory(path)) rmSync(path + LOCK, { force: true });
    lock[Symbol.dispose]();
  }

  #open(): { path: string; lock: Disposable } {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#sweep();
    for (;;) {
      const path = join(this.#directory, `${process.pid}-${randomBytes(6).toString("hex")}`);
      const lock = tryLock(path + LOCK, "exclusive");
      // Somebody who sweeps may have taken the lock, or the file, before it was ours.
      if (lock !== undefined && existsSync(path + LOCK)) {
        mkdirSync(path, { mode: 0o700 });
        return { path, lock };
      }
      lock?.[Symbol.dispose]();
    }
  }

  /** Takes away what processes have left that are no more. */
  #sweep(): void {
    for (const name of readdirSync(this.#directory)) {
      if (!name.endsWith(LOCK)) continue;
      const file = join(this.#directory, name);
      using lock = tryLock(file, "exclusive");
      if (lock === undefined) continue;
      const path = file.slice(0, -LOCK.length);
      if (existsSync(path)) removePoints(path);
      if (removeDirectory(path)) rmSync(file, { force: true });
    }
  }
}

/** Mount points are empty directories, and only ever removed as such: what is mounted on them is nobody's to delete. */
function removePoints(path: string): void {
  for (const name of readdirSync(path)) {
    const point = join(path, name);
    if (removeDirectory(point)) continue;
    try {
      unmountSync(point, { detach: true });
    } catch {
      continue;
    }
    removeDirectory(point);
  }
}

/** Returns whether the directory is gone. */
function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}
