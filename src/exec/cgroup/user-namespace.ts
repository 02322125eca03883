import { accessSync, constants } from "node:fs";
import { posix } from "node:path";
import { freeParent } from "./free-parent.ts";
import type { CgroupLayout } from "./layout.ts";

/** What control groups are to a process in a user namespace. */
export interface UserGroups {
  readonly layout: CgroupLayout;
  /**
   * Where the step's mount namespace covers the machine's hierarchies, which it cannot unmount: mounts that a user namespace inherits are
   * locked. crun fails if it finds hierarchies in which it may not make a group.
   */
  readonly covered: readonly string[];
}

const NO_GROUPS: CgroupLayout = { kind: "none", hierarchies: [] };
const HIERARCHIES = "/sys/fs/cgroup";

/**
 * Returns the hierarchies in which a process of a user namespace can make groups. That is version 2, in a group that was delegated to the
 * user, as systemd does with `user@UID.service`.
 */
export function userGroups(layout: CgroupLayout, isWritable: (path: string) => boolean = writable): UserGroups {
  const [hierarchy] = layout.kind === "v2" ? layout.hierarchies : [];
  if (hierarchy !== undefined) {
    const parent = freeParent(hierarchy);
    if (isWritable(parent) && isWritable(posix.join(parent, "cgroup.procs"))) return { layout, covered: [] };
  }
  const isCovered = layout.hierarchies.some(({ mountPoint }) => `${mountPoint}/`.startsWith(`${HIERARCHIES}/`));
  return { layout: NO_GROUPS, covered: isCovered ? [HIERARCHIES] : [] };
}

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
