export * from "./mounted-tree.ts";
export * from "./open.ts";
export * from "./snapshotter.ts";
export * from "./tree/index.ts";
export { snapshotTables } from "./schema.ts";
