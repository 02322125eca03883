export { AccessTrace, type TracedTree } from "./access-trace.ts";
export { stepCapacity } from "./cgroup/capacity.ts";
export { doctorFacts, type ExecFacts } from "./doctor.ts";
export { findRuntime, runtimeAt } from "./find.ts";
export { createRunner } from "./runner.ts";
export type * from "./types.ts";
export { removeAbandonedSteps } from "./workspace.ts";
