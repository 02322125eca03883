import { lstatSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, toVarveError } from "../core/index.ts";
import { hasCapability, lgetxattr, mountOverlay, ownIdMaps, tryOverlay, unmountSync } from "../linux/index.ts";
import type { DriverName } from "./driver.ts";

/** Returns the overlay driver for this process: `overlay-user` in a user namespace, where nobody can set `trusted` attributes. */
export function overlayHere(): Exclude<DriverName, "copy"> {
  return ownIdMaps() === undefined ? "overlay" : "overlay-user";
}

interface Probe {
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
  readonly target: string;
}

/**
 * Returns whether overlayfs can keep its changes in this directory, by a mount. Returns true if the disk is full, because nothing can be
 * tried then.
 */
export function overlayWorks(directory: string, driver: Exclude<DriverName, "copy"> = overlayHere()): boolean {
  // A user namespace allows only overlayfs's own device: 0:0.
  if (!hasCapability("sys_admin") || (driver === "overlay" && !hasCapability("mknod"))) return false;
  const path = probeIn(directory);
  if (path === undefined) return true;
  const at = (name: string): string => join(path, name);
  const probe: Probe = { lower: at("lower"), upper: at("upper"), work: at("work"), target: at("target") };
  try {
    for (const each of Object.values(probe)) mkdirSync(each);
    if (driver === "overlay-user") return keepsDeletions(probe);
    tryOverlay({ ...probe, lower: [probe.lower], volatile: true });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { recursive: true });
  }
}

/** Creates a directory for the test. Returns undefined if the disk is full. */
function probeIn(directory: string): string | undefined {
  try {
    return mkdtempSync(join(directory, "probe-"));
  } catch (error) {
    if (errnoOf(error) === "ENOSPC" || errnoOf(error) === "EDQUOT") return undefined;
    throw toVarveError(error, `open snapshots in ${directory}`, "storage");
  }
}

/**
 * Removes a file and a directory of the lower tree, and makes the directory anew. On filesystems without `user` attributes the mount
 * succeeds, and this fails.
 */
function keepsDeletions({ lower, upper, work, target }: Probe): boolean {
  mkdirSync(join(lower, "replaced"));
  writeFileSync(join(lower, "removed"), "");
  mountOverlay({ lower: [lower], upper, work, target, volatile: true, userXattr: true });
  try {
    rmSync(join(target, "removed"));
    rmdirSync(join(target, "replaced"));
    mkdirSync(join(target, "replaced"));
  } finally {
    unmountSync(target, { detach: true });
  }
  const opaque = lgetxattr(join(upper, "replaced"), "user.overlay.opaque")?.toString() === "y";
  return opaque && lstatSync(join(upper, "removed")).isCharacterDevice();
}
