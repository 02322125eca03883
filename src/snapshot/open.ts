import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { VarveError } from "../core/index.ts";
import { hasCapability, mountOverlay, unmount } from "../linux/index.ts";
import type { State } from "../state/index.ts";
import { copyDriver } from "./copy.ts";
import { overlayDriver } from "./overlay.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { StoredSnapshotter } from "./stored.ts";
import { SnapshotTable } from "./table.ts";
import { removeTree } from "./tree/index.ts";

export interface SnapshotterOptions {
  /** The directory of everything Varve keeps; snapshots go to `<root>/snapshots`. */
  readonly root: string;
  readonly state: State;
  /** By default: what the snapshots there are were written by; overlay for the first, where it works. */
  readonly driver?: "overlay" | "copy" | undefined;
}

/** Opens the snapshots of a root. Throws `unsupported` if this process cannot use the driver. */
export async function openSnapshotter({ root, state, driver }: SnapshotterOptions): Promise<Snapshotter> {
  const directory = join(root, "snapshots");
  await mkdir(join(directory, "empty"), { recursive: true });
  const used = state.get<{ driver: "overlay" | "copy" }>("SELECT driver FROM snapshot LIMIT 1")?.driver;
  if (driver !== undefined && used !== undefined && driver !== used) {
    throw new VarveError(
      "unsupported",
      `Cannot open snapshots with the ${driver} driver: they were written by ${used}`,
      {
        hint: "Remove the snapshots, or use another root.",
      },
    );
  }
  const name = driver ?? used ?? ((await overlayWorks(directory)) ? "overlay" : "copy");
  if (name === "overlay" && !hasCapability("sys_admin")) {
    throw new VarveError("unsupported", "Cannot open snapshots with the overlay driver: CAP_SYS_ADMIN is missing", {
      hint: "Run as root, or use a root of your own, which keeps its snapshots as copies.",
    });
  }
  return new StoredSnapshotter(
    directory,
    new SnapshotTable(state, name),
    name === "overlay" ? overlayDriver : copyDriver,
  );
}

/** True if overlayfs can keep its changes in this directory: a mount is made and undone. */
export async function overlayWorks(directory: string): Promise<boolean> {
  if (!hasCapability("sys_admin") || !hasCapability("mknod")) return false;
  const probe = await mkdtemp(join(directory, "probe-"));
  const [lower, upper, work, target] = ["lower", "upper", "work", "target"].map((name) => join(probe, name));
  try {
    for (const path of [lower, upper, work, target]) await mkdir(path as string);
    mountOverlay({
      lower: [lower as string],
      upper: upper as string,
      work: work as string,
      target: target as string,
      volatile: true,
    });
    await unmount(target as string);
    return true;
  } catch {
    return false;
  } finally {
    await removeTree(probe);
  }
}
