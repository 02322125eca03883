export * from "./checksum.ts";
export { DiskNode } from "./disk-node.ts";
export { ContextNode } from "./context-node.ts";
export * from "./context-tree.ts";
export { sameFile, statEntry, withKind, type FileStat } from "./file-stat.ts";
export * from "./snapshot-tree.ts";
export { StatCache } from "./stat-cache.ts";
export * from "./types.ts";
