export { fetchUrl } from "./fetch-url.ts";
export { GitSource } from "./git.ts";
export { unusedRepositories } from "./git-repository.ts";
export type { GitRequest, ResolvedGit } from "./git-remote.ts";
export { type DownloadRequest, HttpSource, type ResolvedHttp } from "./http.ts";
export { ImageSource, type ImageSourceDeps, type PullPolicy, type ResolvedImage } from "./image.ts";
export { LocalContext, type LocalContextOptions, type LocalEntry, openLocalContext } from "./local.ts";
export type { ContextPatterns } from "./local-filter.ts";
export { readContextFile } from "./local-file.ts";
export { sendContext } from "./local-send.ts";
export { type StreamContext, openStreamContext } from "./local-stream.ts";
export {
  type ContextIdentity,
  contextKey,
  openSyncedContext,
  type SyncedContext,
  type SyncedContextDeps,
  type SyncedContextOptions,
} from "./synced.ts";
