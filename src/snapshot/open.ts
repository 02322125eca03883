import { contentTables } from "../content/index.ts";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { bootId, hasCapability, makeDirectories, tryOverlay } from "../linux/index.ts";
import type { Database, DatabaseReader, Row } from "../state/index.ts";
import { copyDriver } from "./copy.ts";
import { overlayDriver } from "./overlay.ts";
import { snapshotTables } from "./schema.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { StoredSnapshotter } from "./stored.ts";
import { SnapshotTable } from "./table.ts";

export interface SnapshotterOptions {
  /** The directory of the snapshots. It is created if it does not exist. Each snapshot has a numbered directory in it. */
  readonly root: string;
  readonly state: Database;
  /** The default is the driver of the existing snapshots. Without any, it is overlay if overlays work here, else copy. */
  readonly driver?: "overlay" | "copy" | undefined;
  /** Where the directories of the existing snapshots are, if they are not in `root`. They can be read, and not be mounted or changed. */
  readonly below?: string | undefined;
}

const DRIVER = "SELECT driver FROM snapshot LIMIT 1";

function driverOf(row: Row | undefined): "overlay" | "copy" | undefined {
  const driver = row?.["driver"];
  return driver === "overlay" || driver === "copy" ? driver : undefined;
}

/** Returns whether a database has snapshots of the overlay driver, which can be read only if overlays can be mounted. */
export function needsOverlay(database: DatabaseReader): boolean {
  return database.hasTable("snapshot") && database.get(DRIVER)?.["driver"] === "overlay";
}

/**
 * Opens the snapshots of a root.
 *
 * @throws {VarveError} `unsupported` if the process lacks the privileges for the driver, or if the snapshots were written by
 * another driver
 *
 * @example
 * const snapshots = openSnapshotter({ root: "/var/lib/varve/snapshots", state });
 */
export function openSnapshotter({ root, state, driver, below }: SnapshotterOptions): Snapshotter {
  makeDirectories(join(root, "empty"));
  state.install(contentTables, snapshotTables);
  const used = driverOf(state.get(DRIVER));
  if (driver !== undefined && used !== undefined && driver !== used) {
    throw new VarveError(
      "unsupported",
      `Cannot open snapshots with the ${driver} driver: they were written with the ${used} driver`,
      {
        hint: "Use another root, or remove the snapshots.",
      },
    );
  }
  const name = driver ?? used ?? (overlayWorks(root) ? "overlay" : "copy");
  if (name === "overlay" && !hasCapability("sys_admin")) {
    throw new VarveError("unsupported", "Cannot open snapshots with the overlay driver: CAP_SYS_ADMIN is missing", {
      hint: "Run as root, or choose another directory with --root. Its snapshots are then kept as copies.",
    });
  }
  const table = new SnapshotTable(state, name);
  table.removeUnsynced(bootId() ?? "");
  return new StoredSnapshotter(root, table, name === "overlay" ? overlayDriver : copyDriver, below);
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
 * Returns whether overlayfs can keep its changes in this directory. Tries it with a mount that is not attached anywhere.
 * Returns true if the disk is full, because nothing can be tried then.
 */
export function overlayWorks(directory: string): boolean {
  if (!hasCapability("sys_admin") || !hasCapability("mknod")) return false;
  const probe = probeIn(directory);
  if (probe === undefined) return true;
  const paths = {
    lower: join(probe, "lower"),
    upper: join(probe, "upper"),
    work: join(probe, "work"),
    target: join(probe, "target"),
  };
  try {
    for (const path of Object.values(paths)) mkdirSync(path);
    tryOverlay({ ...paths, lower: [paths.lower], volatile: true });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true });
  }
}
