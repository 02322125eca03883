import { readFileSync } from "node:fs";
import { posix } from "node:path";
import type { CgroupHierarchy } from "./layout.ts";

/**
 * A group that contains processes cannot enable controllers for groups below it, except the root; crun retries that for
 * seconds. So the step's group is created below this process's nearest ancestor group that contains no processes.
 */
export function freeParent({ own, mountPoint }: Pick<CgroupHierarchy, "own" | "mountPoint">): string {
  let here = own;
  while (here !== mountPoint && hasProcesses(here)) here = posix.dirname(here);
  return here;
}

function hasProcesses(group: string): boolean {
  try {
    return readFileSync(posix.join(group, "cgroup.procs"), "utf8") !== "";
  } catch {
    return false;
  }
}
