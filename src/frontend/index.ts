export { DOCKERFILE_VERSION, FRONTEND_IMAGES, type FrontendImages, isBuiltinFrontend } from "./builtin.ts";
export { compileDockerfile, compilePlatforms } from "./compile.ts";
export { gitContext } from "./git-state.ts";
export type { ConfigDraft, ImageDraft } from "./config/image-draft.ts";
export { contextNamed, parseNamedContext } from "./stages/named-context.ts";
export * from "./options.ts";
export * from "./outline.ts";
export type { OutlineMount } from "./dispatch/stage-state.ts";
