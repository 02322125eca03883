export * from "./descriptor.ts";
export * from "./digest.ts";
export * from "./error.ts";
export * from "./go-json.ts";
export * from "./limits.ts";
export * from "./mediatype.ts";
export * from "./platform.ts";
export * from "./reference.ts";
