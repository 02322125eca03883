export type { Handler, HttpRequest, HttpResponse } from "./types.ts";
export { type Listener, openListener } from "./open.ts";
export type { FindTakeover, Takeover, UpgradeRequest } from "./upgrade.ts";
