export { fetchUrl } from "./fetch-url.ts";
export { GitSource } from "./git.ts";
export { unusedRepositories } from "./git-repository.ts";
export type { GitRequest, ResolvedGit } from "./git-remote.ts";
export { type HttpRequest, HttpSource, type ResolvedHttp } from "./http.ts";
export { ImageSource, type ImageSourceDeps, type PullPolicy, type ResolvedImage } from "./image.ts";
export { LocalContext, type LocalContextOptions, type LocalEntry, openLocalContext } from "./local.ts";
export { readContextFile } from "./local-file.ts";
export { openStreamContext, type StreamContext } from "./local-stream.ts";
