export { type ListedWorker, listWorkers } from "./client/list-workers.ts";
export { imageFrontends } from "./frontend/local/image-frontends.ts";
export { type Daemon, type DaemonOptions, type StoredImage, openDaemon } from "./daemon.ts";
export { type BuildkitListener, BuildkitServer, listenBuildkit } from "./server.ts";
export type { SessionBuild, SessionBuildRequest } from "./session-build.ts";
export { readSessionHeaders, type SessionHeaders } from "./session/headers.ts";
export { SessionManager, type SessionManagerOptions } from "./session/manager.ts";
export { sessionMethod } from "./session/tunnel.ts";
export { buildkitVersion } from "./worker/version.ts";
