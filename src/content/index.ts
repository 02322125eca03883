export { damagedBlobOf, isLostBlob } from "./damage.ts";
export * from "./graph.ts";
export { openContentStore, openContentStoreOn } from "./store.ts";
export type * from "./types.ts";
export { contentTables } from "./schema.ts";
