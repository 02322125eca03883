export * from "./apply-changes.ts";
export * from "./copy-tree.ts";
export * from "./entry.ts";
export * from "./remove-tree.ts";
export * from "./usage.ts";
export * from "./walk.ts";
