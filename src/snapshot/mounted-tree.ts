import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { bindMount, hasCapability, mountOverlay, unmount, unmountSync } from "../linux/index.ts";
import type { MountSpec } from "./snapshotter.ts";
import { removeVolatileMark, volatileMark } from "./volatile-mark.ts";

/** A mounted tree. Dispose of it to unmount it. */
export interface MountedTree extends AsyncDisposable {
  /** The directory at which the tree is mounted. */
  readonly path: string;
}

/** Milliseconds to wait after each failed attempt to unmount a busy mount. After the last one, the mount is detached. */
const RETRY_DELAYS = [5, 20, 100, 300];

interface Mount {
  readonly path: string;
  /** The mount point is a temporary directory, which is removed after unmounting. */
  readonly isTemporary: boolean;
  readonly upper: string | undefined;
}

/** All mounts of this process. They are unmounted when the process exits. */
const live = new Set<Mount>();
let hasExitHandler = false;

/**
 * Mounts the tree of a snapshot at `target`, an existing directory, or at a temporary directory in `within`. Without a target, a
 * writable bind mount needs no mount: the result is the source directory. Disposing of the result, or the end of the process,
 * unmounts the tree even if it is still in use.
 *
 * @throws {VarveError} `busy` if another mount of the snapshot is writable; `unsupported` without the privilege to mount
 *
 * @example
 * await using tree = await mountSnapshot(await snapshots.mounts("name-1"));
 * console.log(await readdir(tree.path));
 */
export async function mountSnapshot(spec: MountSpec, target?: string, within: string = tmpdir()): Promise<MountedTree> {
  if (spec.kind === "bind" && target === undefined && !(spec.readonly && hasCapability("sys_admin"))) {
    return { path: spec.source, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const upper = spec.kind === "overlay" ? spec.upper : undefined;
  if (upper !== undefined) checkUnmounted(upper, "mount a snapshot");
  const isTemporary = target === undefined;
  const path = target ?? mkdtempSync(join(within, "varve-mount-"));
  try {
    attach(spec, path);
  } catch (error) {
    if (isTemporary) rmdirSync(path);
    throw mountError(error, spec, path);
  }
  const mount: Mount = { path, isTemporary, upper };
  unmountAtExit(mount);
  return { path, [Symbol.asyncDispose]: () => release(spec, mount) };
}

/** Throws `busy` if a mount of this process writes to `upper`. */
export function checkUnmounted(upper: string, doing: string): void {
  for (const mount of live) {
    if (mount.upper === upper) throw new VarveError("busy", `Cannot ${doing}: it is mounted at ${mount.path}`);
  }
}

/** Returns the number of mounts of this process. Tests use it to find leaks. */
export function liveMounts(): number {
  return live.size;
}

function attach(spec: MountSpec, target: string): void {
  if (spec.kind === "bind") bindMount(spec.source, target, { readonly: spec.readonly });
  else mountOverlay({ ...spec, target });
}

function mountError(error: unknown, spec: MountSpec, path: string): VarveError {
  const isMarked = spec.kind === "overlay" && spec.work !== undefined && existsSync(volatileMark(spec.work));
  if (!isMarked) return toVarveError(error, `mount a snapshot at ${path}`, "unsupported");
  const state = "another process has mounted it, or was killed while it was mounted";
  return new VarveError("busy", `Cannot mount a snapshot at ${path}: ${state}`, { cause: error });
}

async function release(spec: MountSpec, mount: Mount): Promise<void> {
  if (!live.has(mount)) return;
  const isUnused = await unmountOrDetach(mount.path);
  live.delete(mount);
  if (mount.isTemporary) tryRemoveDirectory(mount.path);
  // While a process may still write, the mark stays, so that the tree is not committed or mounted again.
  if (isUnused && spec.kind === "overlay" && spec.work !== undefined) removeVolatileMark(spec.work);
}

function tryRemoveDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // A detached mount may still be in use. The directory goes with that of the process.
  }
}

/** Unmounts, or detaches a mount that stays busy. Returns whether the mount was not in use any more. */
async function unmountOrDetach(path: string): Promise<boolean> {
  for (const delay of RETRY_DELAYS) {
    try {
      await unmount(path);
      return true;
    } catch (error) {
      if (errnoOf(error) !== "EBUSY") throw toVarveError(error, `unmount ${path}`);
    }
    await sleep(delay);
  }
  await unmount(path, { detach: true });
  return false;
}

function unmountAtExit(mount: Mount): void {
  if (!hasExitHandler) process.once("exit", detachAll);
  hasExitHandler = true;
  live.add(mount);
}

function detachAll(): void {
  for (const { path, isTemporary } of live) {
    try {
      unmountSync(path, { detach: true });
      if (isTemporary) rmdirSync(path);
    } catch {
      // Ignored: the process exits, and its private mount namespace ends with it.
    }
  }
}
