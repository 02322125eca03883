export { compileDockerfile, compilePlatforms } from "./compile.ts";
export { gitContext } from "./git-state.ts";
export type { ContainerConfig, ImageConfig } from "./config/image.ts";
export { parseNamedContext } from "./stages/named-context.ts";
export * from "./options.ts";
export * from "./outline.ts";
export type { Wanted } from "./dispatch/stage-state.ts";
