export type { RegistryConfig, RegistryHostConfig } from "./config.ts";
export { parseRegistryConfig } from "./parse-config.ts";
export {
  ANONYMOUS,
  type Credential,
  type CredentialSource,
  type DockerAuth,
  hostOfKey,
  keysOfHost,
  staticCredentials,
} from "./credentials.ts";
export { credentialOf, dockerConfigDirectory, dockerCredentials } from "./docker-config.ts";
export { ACCEPT_MANIFESTS, type ImageDocument, parseDocument } from "./document.ts";
export type { OnTransfer, TransferEvent, TransferState } from "./events.ts";
export type { RequestOptions } from "./client.ts";
export type { ManifestContent } from "./manifest.ts";
export {
  type BlobOptions,
  type PushBlobOptions,
  Registry,
  type RegistryOptions,
  type TransferOptions,
} from "./registry.ts";
export type { PushedBlob } from "./upload.ts";
export type { BlobSource } from "./blob-parts.ts";
export { type FetchOptions, fetchBlob } from "./fetch-blob.ts";
export { type PullOptions, type PullResult, type PulledImage, pull } from "./pull.ts";
export { type PushOptions, push } from "./push.ts";
