export { findRuntime } from "./find.ts";
export { createRunner } from "./runner.ts";
export type * from "./types.ts";
