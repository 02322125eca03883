export { type Accesses, MAX_ACCESSES } from "./accesses.ts";
export { type TreeChange, compareStacks, joinVersions, stackLayers } from "./changes.ts";
export { Forgiveness, type SeenChange, type StepTraces, type TracedMode } from "./forgiveness.ts";
export { DIGEST_BYTES, MAX_ENTRIES } from "./layer-codec.ts";
export { type LayerEntry, ancestorsOf, parentOf } from "./layer-entry.ts";
export { MAX_MOUNTS, type TracedMount, type TracedMounts } from "./mounts.ts";
export { type DecodedRun, decodeRun, encodeRun, hasMade, rootRecord } from "./portable.ts";
export { TracedTable, type TracedStep } from "./table.ts";
