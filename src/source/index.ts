export type { AttestationChain, ChainBlob } from "./attestation-chain.ts";
export { ContextMemory } from "./context-memory.ts";
export { fetchUrl } from "./fetch-url.ts";
export { GitSource } from "./git.ts";
export { type WorkTree, type WorkTreeOptions, workTreeOf } from "./work-tree.ts";
export { unusedRepositories } from "./git-repository.ts";
export { type GitFacts, type GitObjects, factsOf } from "./git-objects.ts";
export type { GitSigner } from "./git-signature.ts";
export type { GitBundle, GitRequest, OpenBundle, ResolvedGit } from "./git-remote.ts";
export { type ChecksumRequest, type DownloadRequest, HttpSource, type ResolvedHttp } from "./http.ts";
export { type BlobRequest, blobDigest } from "./blob.ts";
export {
  type ClientStore,
  type ClientStoreName,
  type OpenClientStore,
  clientFetcher,
  clientSource,
} from "./client-store.ts";
export { ImageSource, type ImageSourceDeps, type PullPolicy } from "./image.ts";
export { type LayoutRequest, resolveLayout } from "./layout.ts";
export type { ResolvedImage } from "./resolved-image.ts";
export { LocalContext, type LocalContextOptions, type LocalEntry, openLocalContext } from "./local.ts";
export type { ContextPatterns } from "./local-filter.ts";
export { readContextFile } from "./local-file.ts";
export { sendContext } from "./local-send.ts";
export { type StreamContext, openStreamContext } from "./local-stream.ts";
export {
  type ContextIdentity,
  contextKey,
  type ContextKey,
  openSyncedContext,
  type SyncedContext,
  type SyncedContextDeps,
  type SyncedContextOptions,
} from "./synced.ts";
