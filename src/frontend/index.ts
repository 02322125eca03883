export { compileDockerfile, compilePlatforms } from "./compile.ts";
export { type GitRef, gitContext, isHttpSource } from "./git-ref.ts";
export type { ContainerConfig, ImageConfig } from "./image.ts";
export { parseNamedContext } from "./named-context.ts";
export * from "./options.ts";
export * from "./outline.ts";
export type { Wanted } from "./stage-state.ts";
