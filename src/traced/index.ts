export { type Accesses, MAX_ACCESSES } from "./accesses.ts";
export { type TreeChange, compareStacks, joinVersions, stackLayers } from "./changes.ts";
export { Forgiveness, type SeenChange, type TracedMode } from "./forgiveness.ts";
export { DIGEST_BYTES } from "./layer-codec.ts";
export type { LayerEntry } from "./layer-entry.ts";
export { TracedTable } from "./table.ts";
