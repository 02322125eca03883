import { readFileSync, statSync } from "node:fs";
import { entering } from "../emulation/index.ts";
import type { IdMaps } from "../linux/index.ts";
import type { CgroupLayout } from "./cgroup/layout.ts";
import type { StepEmulation } from "./emulated.ts";
import { requireNsenter } from "./find.ts";
import { type LaunchTools, quoted } from "./launch-script.ts";
import { isWithin } from "./mounts/target.ts";

/** What the namespaces in which a runtime is started allow it. */
export interface Place {
  readonly layout: CgroupLayout;
  /** Mount points to unmount in the step's mount namespace before the runtime starts. */
  readonly hiddenMounts: readonly string[];
  /** Directories to cover there. */
  readonly coveredMounts: readonly string[];
  /** The ids of the user namespace; undefined if it is that of the machine. */
  readonly idMaps: IdMaps | undefined;
}

/** All ids, as those of a user namespace. */
const ALL_IDS: IdMaps["users"] = [{ inside: 0, outside: 0, count: 4_294_967_295 }];
const SYSFS = "/sys";
const GROUPS = "/sys/fs/cgroup";

/**
 * Returns the place of a step with emulators. They are in a user namespace below that of the runner: what it inherits it can only cover,
 * and nobody makes devices in it. The machine's /sys is bound there, with all that is mounted below.
 */
export function placeOf(place: Place, { kind }: StepEmulation): Place {
  const { layout, hiddenMounts, coveredMounts, idMaps } = place;
  if (kind !== "namespace") return place;
  return {
    layout,
    hiddenMounts: [],
    coveredMounts: [...coveredMounts, ...hiddenMounts, ...(idMaps === undefined ? foreignMounts(layout) : [])],
    idMaps: idMaps ?? { users: ALL_IDS, groups: ALL_IDS },
  };
}

/** Returns the topmost directories below /sys at which other filesystems are mounted, whose files belong to the machine's root. */
export function foreignMounts(
  { kind }: Pick<CgroupLayout, "kind">,
  mountInfo: string = readFileSync("/proc/self/mountinfo", "utf8"),
): string[] {
  const points = mountInfo.split("\n").map((line) => line.split(" ")[4] ?? "");
  const below = points.filter((point) => isWithin(point, SYSFS) && point !== SYSFS && !point.includes("\\"));
  // The runtime mounts the step's own groups over those of the machine.
  const open = below.filter((point) => kind === "none" || !isWithin(point, GROUPS));
  const topmost = open.filter((point) => !open.some((other) => other !== point && isWithin(point, other)));
  return [...new Set(topmost)].filter((point) => statSync(point, { throwIfNoEntry: false })?.isDirectory() === true);
}

/** The first steps of a launcher whose step has emulators. */
export interface Entrance {
  readonly path: string;
  readonly tools: LaunchTools;
  /** The root filesystem. */
  readonly rootfs: string;
  /** True in the user namespace of the machine, where root filesystems may have nodes of its devices. */
  readonly mayHaveDevices: boolean;
}

/**
 * Returns the command that enters a user namespace with emulators. Its root has the machine's ids, and no rule of a control group
 * restricts it everywhere: nodes of the root filesystem cannot be opened. A flag of a mount that is made before cannot be taken back in the
 * namespace.
 */
export async function enteringEmulation({ path, tools, rootfs, mayHaveDevices }: Entrance): Promise<string[]> {
  const enter = entering(await requireNsenter("run a step by an emulator"), path);
  if (!mayHaveDevices) return enter;
  const root = quoted(rootfs);
  const script = `mount --rbind ${root} ${root} && mount -o remount,bind,nodev ${root} && exec "$@"`;
  return [tools.unshare, "--mount", "--propagation", "slave", tools.shell, "-c", script, "varve-step", ...enter];
}
