export * from "./filter.ts";
export * from "./glob.ts";
export * from "./ignore-file.ts";
export * from "./matcher.ts";
export * from "./path.ts";
export * from "./space.ts";
export * from "./selectors.ts";
