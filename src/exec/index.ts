export { type CgroupHierarchy, type CgroupLayout, readCgroupLayout } from "./cgroup-layout.ts";
export { findProgram, findRuntime } from "./find.ts";
export { createRunner, hasSeccomp } from "./runner.ts";
export type * from "./types.ts";
