export { configPlatform, readImageConfig } from "./read-config.ts";
export { readIndex, readManifest, readManifestOrIndex } from "./read-manifest.ts";
export type * from "./types.ts";
