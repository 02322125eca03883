export { type DockerApi } from "./docker/api.ts";
export type * from "./docker/build-request.ts";
export { EventBus } from "./docker/event-bus.ts";
export { dockerHandler } from "./docker/handler.ts";
export { type Address, formatAddress, parseAddress } from "./http/address.ts";
export { type Listener, type TcpAccess, type TlsFiles, openListener } from "./http/open.ts";
export type { Handler, HttpRequest, HttpResponse } from "./http/types.ts";
