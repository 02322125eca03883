export * from "./mounted-tree.ts";
export type { DriverName } from "./driver.ts";
export * from "./open.ts";
export { overlayWorks } from "./overlay-works.ts";
export * from "./snapshotter.ts";
export * from "./tree/index.ts";
export { snapshotTables } from "./schema.ts";
