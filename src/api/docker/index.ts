export type { DockerApi } from "./api.ts";
export { EventBus } from "./event-bus.ts";
export { dockerHandler } from "./handler.ts";
export type * from "./build-request.ts";
export { announceImage } from "./built-image.ts";
export { buildkitTakeovers } from "./upgrade.ts";
