export type { RegistryConfig, RegistryHostConfig } from "./transport/config.ts";
export { parseRegistryConfig } from "./transport/parse-config.ts";
export {
  ANONYMOUS,
  type Credential,
  type CredentialDelegate,
  type CredentialSource,
  type DelegatedToken,
  type DelegatedTokenRequest,
  type DockerAuth,
  type PlainCredential,
  hostOfKey,
  staticCredentials,
} from "./auth/credentials.ts";
export { type DockerCredentialOptions, credentialOf, dockerCredentials } from "./auth/docker-config.ts";
export { type OnTransfer, type TransferEvent, TransferReporter, type TransferState } from "./events.ts";
export type { RequestOptions } from "./transport/client.ts";
export type { RetryPolicy, Timeouts } from "../http/index.ts";
export type { ManifestContent, PushManifestOptions } from "./transfer/manifest.ts";
export {
  type BlobOptions,
  type PushBlobOptions,
  Registry,
  type RegistryOptions,
  type TransferOptions,
} from "./registry.ts";
export type { PushedBlob } from "./transfer/upload.ts";
export type { BlobSource } from "./transfer/blob-parts.ts";
export { type FetchOptions, fetchBlob } from "./transfer/fetch-blob.ts";
export { type PullOptions, type PullResult, type PulledImage, pull } from "./transfer/pull.ts";
export { type PushOptions, push } from "./transfer/push.ts";
