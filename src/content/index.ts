export * from "./graph.ts";
export { openContentStore } from "./store.ts";
export type * from "./types.ts";
