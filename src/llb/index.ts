export * from "./exec-op.ts";
export * from "./file-op.ts";
export * from "./op.ts";
