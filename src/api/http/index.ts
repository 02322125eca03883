export type { Handler, HttpRequest, HttpResponse } from "./types.ts";
export { type Listener, openListener } from "./open.ts";
export type { Takeover, Takeovers, UpgradeRequest } from "./upgrade.ts";
