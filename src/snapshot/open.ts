import { contentTables } from "../content/index.ts";
import { join } from "node:path";
import { VarveError } from "../core/index.ts";
import { bootId, hasCapability, makeDirectories } from "../linux/index.ts";
import type { Database, DatabaseReader } from "../state/index.ts";
import { copyDriver } from "./copy.ts";
import type { DriverName } from "./driver.ts";
import { overlayDriver } from "./overlay.ts";
import { overlayHere, overlayWorks } from "./overlay-works.ts";
import { snapshotTables } from "./schema.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { StoredSnapshotter } from "./stored.ts";
import { SnapshotTable } from "./table.ts";

export interface SnapshotterOptions {
  /** The directory of the snapshots. It is created if it does not exist. Each snapshot has a numbered directory in it. */
  readonly root: string;
  readonly state: Database;
  /**
   * The default is the driver of the existing snapshots. Without any, it is overlay if overlays work here, else copy. In a user
   * namespace, "overlay" is `overlay-user`.
   */
  readonly driver?: DriverName | undefined;
  /** Where the directories of the existing snapshots are, if they are not in `root`. They can be read, and not be mounted or changed. */
  readonly below?: string | undefined;
}

const DRIVER = "SELECT driver FROM snapshot LIMIT 1";

function driverOf(row: Readonly<Record<string, unknown>> | undefined): DriverName | undefined {
  const driver = row?.["driver"];
  return driver === "overlay" || driver === "overlay-user" || driver === "copy" ? driver : undefined;
}

const isOverlay = (driver: DriverName | undefined): boolean => driver === "overlay" || driver === "overlay-user";

/** Returns whether a database has any snapshots. Does not create their table. */
export function hasSnapshots(state: Pick<Database, "get">): boolean {
  const hasTable = state.get("SELECT 1 FROM sqlite_schema WHERE name = 'snapshot'") !== undefined;
  return hasTable && state.get(DRIVER) !== undefined;
}

/** Returns whether a database has snapshots of an overlay driver, which can be read only if overlays can be mounted. */
export function needsOverlay(database: DatabaseReader): boolean {
  return database.hasTable("snapshot") && isOverlay(driverOf(database.get(DRIVER)));
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
  if (driver !== undefined && used !== undefined && isOverlay(driver) !== isOverlay(used)) {
    throw new VarveError(
      "unsupported",
      `Cannot open snapshots with the ${driver} driver: they were written with the ${used} driver`,
      {
        hint: "Use another root, or remove the snapshots.",
      },
    );
  }
  const name = used ?? (driver === "overlay" ? overlayHere() : (driver ?? chosen(root)));
  if (isOverlay(name) && !hasCapability("sys_admin")) {
    throw new VarveError("unsupported", "Cannot open snapshots with the overlay driver: CAP_SYS_ADMIN is missing", {
      hint: "Run as root, or choose another directory with --root. Its snapshots are then kept as copies.",
    });
  }
  const table = new SnapshotTable(state, name);
  table.removeUnsynced(bootId() ?? "");
  return new StoredSnapshotter(root, table, name === "copy" ? copyDriver : overlayDriver(name), below);
}

function chosen(root: string): DriverName {
  const overlay = overlayHere();
  return overlayWorks(root, overlay) ? overlay : "copy";
}
