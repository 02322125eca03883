import { existsSync, rmdirSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { bindMount, hasCapability, mountOverlay, unmount, unmountSync } from "../linux/index.ts";
import type { MountSpec } from "./snapshotter.ts";
import { removeVolatileMark, volatileMark } from "./volatile-mark.ts";

/** A tree that can be used until it is disposed of. */
export interface MountedTree extends AsyncDisposable {
  readonly path: string;
}

/** How long a busy mount is waited for before it is detached, in milliseconds, try by try. */
const PATIENCE = [5, 20, 100, 300];

interface Mount {
  readonly path: string;
  /** Whether the mount point was made for it. */
  readonly own: boolean;
  readonly upper: string | undefined;
}

/** Mounts that are up, taken down when the process ends. */
const live = new Set<Mount>();
let watching = false;

/**
 * Makes a snapshot's tree available at `target`, an existing directory, or at a temporary one in `within`. A writable plain
 * directory without a target needs no mount. Disposing of the tree unmounts it, whatever still uses it; so does the end of the process.
 * Throws `busy` if the snapshot's changes are being made in another mount, `unsupported` without the privilege to mount.
 */
export async function mountSnapshot(spec: MountSpec, target?: string, within: string = tmpdir()): Promise<MountedTree> {
  if (spec.kind === "bind" && target === undefined && !(spec.readonly && hasCapability("sys_admin"))) {
    return { path: spec.source, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const upper = spec.kind === "overlay" ? spec.upper : undefined;
  if (upper !== undefined) checkUnmounted(upper, "mount a snapshot");
  const own = target === undefined;
  const path = target ?? (await mkdtemp(join(within, "varve-mount-")));
  try {
    attach(spec, path);
  } catch (error) {
    if (own) await rmdir(path);
    throw explain(error, spec, path);
  }
  const mount: Mount = { path, own, upper };
  watch(mount);
  return { path, [Symbol.asyncDispose]: () => release(spec, mount) };
}

/** Throws `busy` if changes in `upper` are being made in a mount of this process. */
export function checkUnmounted(upper: string, doing: string): void {
  for (const mount of live) {
    if (mount.upper === upper) throw new VarveError("busy", `Cannot ${doing}: it is mounted at ${mount.path}`);
  }
}

/** The number of mounts that are up in this process. */
export function liveMounts(): number {
  return live.size;
}

function attach(spec: MountSpec, target: string): void {
  if (spec.kind === "bind") bindMount(spec.source, target, { readonly: spec.readonly });
  else mountOverlay({ ...spec, target });
}

function explain(error: unknown, spec: MountSpec, path: string): VarveError {
  const marked = spec.kind === "overlay" && spec.work !== undefined && existsSync(volatileMark(spec.work));
  if (!marked) return toVarveError(error, `mount a snapshot at ${path}`, "unsupported");
  return new VarveError(
    "busy",
    `Cannot mount a snapshot at ${path}: another process has it mounted, or was killed while it had`,
    { cause: error },
  );
}

async function release(spec: MountSpec, mount: Mount): Promise<void> {
  if (!live.has(mount)) return;
  const clean = await detach(mount.path);
  live.delete(mount);
  if (mount.own) await rmdir(mount.path).catch(() => undefined);
  // As long as somebody still writes, the mark stays and keeps the tree from being committed or mounted again.
  if (clean && spec.kind === "overlay" && spec.work !== undefined) await removeVolatileMark(spec.work);
}

/** Returns whether nobody used the mount any more. */
async function detach(path: string): Promise<boolean> {
  for (const pause of PATIENCE) {
    try {
      await unmount(path);
      return true;
    } catch (error) {
      if (errnoOf(error) !== "EBUSY") throw toVarveError(error, `unmount ${path}`);
    }
    await sleep(pause);
  }
  await unmount(path, { detach: true });
  return false;
}

function watch(mount: Mount): void {
  if (!watching) process.once("exit", releaseAll);
  watching = true;
  live.add(mount);
}

function releaseAll(): void {
  for (const { path, own } of live) {
    try {
      unmountSync(path, { detach: true });
      if (own) rmdirSync(path);
    } catch {
      // The process ends; a private mount namespace ends with it.
    }
  }
}
