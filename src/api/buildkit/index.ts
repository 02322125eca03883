export { readSessionHeaders, type SessionHeaders } from "./session/headers.ts";
export { SessionManager, type SessionManagerOptions } from "./session/manager.ts";
export { sessionMethod } from "./session/tunnel.ts";
