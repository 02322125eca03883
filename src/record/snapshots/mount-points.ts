import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../core/index.ts";
import { ProcessDirectory, guardMounts, hasCapability, hasPrivateMounts, unmountSync } from "../../linux/index.ts";
import { type MountSpec, type MountedTree, mountSnapshot } from "../../snapshot/index.ts";

/**
 * The mount points of a root. Each process has a directory of its own, which it keeps locked as long as it lives. No mount outlives
 * its process: a namespace of its own ends with it, or else a guard detaches them. What a killed process has left nevertheless
 * is taken away by the next one that mounts.
 */
export class MountPoints implements AsyncDisposable {
  readonly #own: ProcessDirectory;
  #guard: AsyncDisposable | undefined;

  /** `directory` is made when it is needed. */
  constructor(directory: string) {
    this.#own = new ProcessDirectory(directory, { own: removeDirectory, left: removePoints });
  }

  /** Mounts a snapshot; a writable plain directory is used where it is. */
  async mount(spec: MountSpec): Promise<MountedTree> {
    return await mountSnapshot(spec, undefined, this.#guarded());
  }

  /** Holds a directory by a mount of its own: what is put in its place afterwards does not count. */
  async pin(directory: string): Promise<MountedTree> {
    const target = await mkdtemp(join(this.#guarded(), "pin-"));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rmdir(target));
    const { path } = stack.use(await mountSnapshot({ kind: "bind", source: directory, readonly: false }, target));
    const held = stack.move();
    return { path, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  /** Takes away what processes have left that were killed. */
  sweep(): void {
    for (const path of this.#own.abandoned()) removePoints(path);
  }

  /** Gives the directory back. What is still mounted stays until it is disposed of. */
  async [Symbol.asyncDispose](): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    await guard?.[Symbol.asyncDispose]();
    this.#own[Symbol.dispose]();
  }

  /** This process's directory. What is mounted there does not outlive the process. */
  #guarded(): string {
    const { path } = this.#own;
    if (!hasPrivateMounts() && hasCapability("sys_admin")) this.#guard ??= guardMounts(path);
    return path;
  }
}

/** Mount points are empty directories, and only ever removed as such: what is mounted on them is nobody's to delete. */
function removePoints(path: string): void {
  for (const name of existsSync(path) ? readdirSync(path) : []) {
    const point = join(path, name);
    if (removeDirectory(point)) continue;
    try {
      unmountSync(point, { detach: true });
    } catch {
      continue;
    }
    removeDirectory(point);
  }
  removeDirectory(path);
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
