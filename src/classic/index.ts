export type { BuildDeps, BuildLimits, BuildMessage, BuildRequest, Emit, Ulimit } from "./builder/types.ts";
export { getUrl } from "./builder/context/download.ts";
export { type CacheOptions, ClassicCache } from "./cache.ts";
export { classicBuild } from "./classic-build.ts";
export { equalConfigs } from "./equal-configs.ts";
export { Output } from "./builder/output.ts";
export type * from "./types.ts";
