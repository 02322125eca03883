import { existsSync, readdirSync, realpathSync, rmdirSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../core/index.ts";
import { ProcessDirectory, guardMounts, hasCapability, hasPrivateMounts, unmountSync } from "../../linux/index.ts";
import { type MountSpec, type MountedTree, mountSnapshot } from "../../snapshot/index.ts";

/**
 * The mount points of a root. Each process uses a directory of its own and keeps it locked. Mounts do not outlive the process:
 * they are in a mount namespace of its own, or a guard process unmounts them. The next process that mounts cleans up what
 * killed processes left behind.
 */
export class MountPoints implements AsyncDisposable {
  readonly #own: ProcessDirectory;
  #guard: AsyncDisposable | undefined;

  /** Creates `directory` when it is first needed. */
  constructor(directory: string) {
    this.#own = new ProcessDirectory(directory, { own: removeDirectory, left: removePoints });
  }

  /** Mounts a snapshot. Returns the source directory itself if `spec` is a writable bind mount. */
  async mount(spec: MountSpec): Promise<MountedTree> {
    return await mountSnapshot(spec, undefined, this.#guarded());
  }

  /**
   * Bind-mounts a directory, so that replacing the directory later does not change what the mount shows. Without the privilege to mount, the
   * result is where the directory is now.
   */
  async pin(directory: string): Promise<MountedTree> {
    if (!hasCapability("sys_admin"))
      return { path: realpathSync(directory), [Symbol.asyncDispose]: () => Promise.resolve() };
    const target = await mkdtemp(join(this.#guarded(), "pin-"));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rmdir(target));
    const { path } = stack.use(await mountSnapshot({ kind: "bind", source: directory, readonly: false }, target));
    const mounted = stack.move();
    return { path, [Symbol.asyncDispose]: () => mounted.disposeAsync() };
  }

  /** Removes the mounts and directories that killed processes left behind. */
  sweep(): void {
    for (const path of this.#own.abandoned()) removePoints(path);
  }

  /** Removes and unlocks this process's directory. Trees that are still mounted stay until they are disposed of. */
  async [Symbol.asyncDispose](): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    await guard?.[Symbol.asyncDispose]();
    this.#own[Symbol.dispose]();
  }

  /** Returns this process's directory, after starting the guard process if mounts could outlive this process. */
  #guarded(): string {
    const { path } = this.#own;
    if (!hasPrivateMounts() && hasCapability("sys_admin")) this.#guard ??= guardMounts(path);
    return path;
  }
}

/** Unmounts and removes mount points. Removes empty directories only, so that mounted files are never deleted. */
function removePoints(path: string): void {
  for (const name of existsSync(path) ? readdirSync(path) : []) {
    const point = join(path, name);
    if (removeDirectory(point)) continue;
    try {
      unmountSync(point, { detach: true });
    } catch {
      // The guard of the killed process may have unmounted it meanwhile.
    }
    removeDirectory(point);
  }
  removeDirectory(path);
}

/** Removes an empty directory. Returns whether it does not exist any more. */
function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}
