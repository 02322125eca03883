export { type CgroupHierarchy, type CgroupLayout, readCgroupLayout } from "./cgroup-layout.ts";
export { doctorFacts, type ExecFacts } from "./doctor.ts";
export { findProgram, findRuntime } from "./find.ts";
export { createRunner } from "./runner.ts";
export { hasSeccomp } from "./seccomp.ts";
export type * from "./types.ts";
