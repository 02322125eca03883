import { readCgroupLayout } from "../src/exec/cgroup/layout.ts";
import { userGroups } from "../src/exec/cgroup/user-namespace.ts";
import { ownIdMaps } from "../src/linux/index.ts";

/** The controllers of control groups that steps of this process can use: `memory`, `cpu`, … */
export function controllers(): ReadonlySet<string> {
  const all = readCgroupLayout();
  const { hierarchies } = ownIdMaps() === undefined ? all : userGroups(all).layout;
  return new Set(hierarchies.flatMap((hierarchy) => hierarchy.controllers));
}
