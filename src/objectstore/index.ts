export type {
  Asking,
  ConditionalWrites,
  ListedObject,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  OpenedObject,
  WriteCondition,
  WriteResult,
} from "./object-store.ts";
export { type Environment } from "./http-client.ts";
export { type S3Options, openS3 } from "./s3/store.ts";
export type { BucketPlace } from "./s3/address.ts";
export { type AzureBlobOptions, openAzureBlobs } from "./azblob/store.ts";
export {
  type ActionsCache,
  type ActionsCacheOptions,
  type EntryWritten,
  type OpenedEntry,
  openActionsCache,
} from "./gha/cache.ts";
export { findAwsKeys } from "./credentials/aws.ts";
export type { AwsKeys } from "./s3/sign.ts";
export { objectBody } from "./parts.ts";
