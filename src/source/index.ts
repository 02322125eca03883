export { fetchUrl } from "./fetch-url.ts";
export { GitSource } from "./git.ts";
export { unusedRepositories } from "./git-repository.ts";
export type { GitRequest, ResolvedGit } from "./git-remote.ts";
export { type DownloadRequest, HttpSource, type ResolvedHttp } from "./http.ts";
export { ImageSource, type ImageSourceDeps, type PullPolicy, type ResolvedImage } from "./image.ts";
export { LocalContext, type LocalContextOptions, type LocalEntry, openLocalContext } from "./local.ts";
export { readContextFile } from "./local-file.ts";
export { type StreamContext, openStreamContext } from "./local-stream.ts";
