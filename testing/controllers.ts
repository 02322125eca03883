import { readCgroupLayout } from "../src/exec/cgroup/layout.ts";

/** The controllers of control groups that this machine has: `memory`, `cpu`, … */
export function controllers(): ReadonlySet<string> {
  return new Set(readCgroupLayout().hierarchies.flatMap((hierarchy) => hierarchy.controllers));
}
