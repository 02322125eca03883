import { contentTables } from "../content/index.ts";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { hasCapability, makeDirectories, tryOverlay } from "../linux/index.ts";
import type { Database, DatabaseReader, Row } from "../state/index.ts";
import { copyDriver } from "./copy.ts";
import { overlayDriver } from "./overlay.ts";
import { snapshotTables } from "./schema.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { StoredSnapshotter } from "./stored.ts";
import { SnapshotTable } from "./table.ts";

export interface SnapshotterOptions {
  /** The directory of the snapshots, made if need be: one directory for each, named by its number. */
  readonly root: string;
  readonly state: Database;
  /** By default: what the snapshots there are were written by; overlay for the first, where it works. */
  readonly driver?: "overlay" | "copy" | undefined;
}

const DRIVER = "SELECT driver FROM snapshot LIMIT 1";

function driverOf(row: Row | undefined): "overlay" | "copy" | undefined {
  const driver = row?.["driver"];
  return driver === "overlay" || driver === "copy" ? driver : undefined;
}

/** Whether a database has snapshots that can be read only where overlays can be mounted. */
export function needsOverlay(database: DatabaseReader): boolean {
  return database.hasTable("snapshot") && database.get(DRIVER)?.["driver"] === "overlay";
}

/** Opens the snapshots of a root. Throws `unsupported` if this process cannot use the driver. */
export function openSnapshotter({ root, state, driver }: SnapshotterOptions): Snapshotter {
  makeDirectories(join(root, "empty"));
  state.install(contentTables, snapshotTables);
  const used = driverOf(state.get(DRIVER));
  if (driver !== undefined && used !== undefined && driver !== used) {
    throw new VarveError(
      "unsupported",
      `Cannot open snapshots with the ${driver} driver: they were written by ${used}`,
      {
        hint: "Remove the snapshots, or use another root.",
      },
    );
  }
  const name = driver ?? used ?? (overlayWorks(root) ? "overlay" : "copy");
  if (name === "overlay" && !hasCapability("sys_admin")) {
    throw new VarveError("unsupported", "Cannot open snapshots with the overlay driver: CAP_SYS_ADMIN is missing", {
      hint: "Run as root, or use a root of your own, which keeps its snapshots as copies.",
    });
  }
  return new StoredSnapshotter(root, new SnapshotTable(state, name), name === "overlay" ? overlayDriver : copyDriver);
}

/** A new directory; undefined if there is no space for one. */
function probeIn(directory: string): string | undefined {
  try {
    return mkdtempSync(join(directory, "probe-"));
  } catch (error) {
    if (errnoOf(error) === "ENOSPC" || errnoOf(error) === "EDQUOT") return undefined;
    throw toVarveError(error, `open snapshots in ${directory}`, "storage");
  }
}

/** True if overlayfs can keep its changes in this directory: a mount is made that nobody sees. */
export function overlayWorks(directory: string): boolean {
  if (!hasCapability("sys_admin") || !hasCapability("mknod")) return false;
  const probe = probeIn(directory);
  // Nothing can be tried on a full disk.
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
