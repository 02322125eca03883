/** The entry point `varve`: builds, and everything that is done with a store. */
export { type BuildOptions, build, describeDockerfile } from "./build.ts";
export * from "./cache.ts";
export {
  type DoctorReport,
  type Fact,
  type LostBlobReport,
  type StoreVerification,
  doctorFacts,
} from "../doctor/index.ts";
export { verifyStore } from "./doctor.ts";
export type { Change, Explanation, FileAspect, FileChange, Reason } from "../explain/index.ts";
export {
  imageHistory,
  inspectImage,
  listImages,
  loadImages,
  pruneUntagged,
  pullImage,
  pushImage,
  removeImage,
  saveImages,
  saveImagesTo,
  tagImage,
} from "./images.ts";
export {
  type AttestationSpec,
  type BuildContext,
  type BuildEvent,
  type BuildResult,
  type BuildPlan,
  type BuildSettings,
  DESCRIPTIONS,
  type Description,
  type DescriptionKind,
  type DockerfileSource,
  type OnBuildEvent,
  type OutputSpec,
  type PlanBuildOptions,
  type PlanOutcome,
  type PlanStep,
  type SecretSource,
  type SshSource,
  type StatusEvent,
  type StepReport,
  type StepResources,
  type Ulimit,
  type VertexEvent,
  type WarningEvent,
  type WarningSource,
  isolateMounts,
  plan,
} from "../engine/index.ts";
export type { DeviceSettings } from "../cdi/index.ts";
export type { StepIsolation } from "../isolation/index.ts";
export type { NetworkSettings } from "../network/index.ts";
export type { FrontendImages } from "../frontend/index.ts";
export type * from "./dockerfile-types.ts";
export { parseDockerfile } from "../dockerfile/index.ts";
export {
  type BlobOptions,
  type BlobSource,
  type Credential,
  type CredentialDelegate,
  type CredentialSource,
  type DelegatedToken,
  type DelegatedTokenRequest,
  type ManifestContent,
  type OnTransfer,
  type PlainCredential,
  type PushBlobOptions,
  type PushedBlob,
  Registry,
  type RegistryConfig,
  type RegistryHostConfig,
  type RegistryOptions,
  type PushManifestOptions,
  type RequestOptions,
  type RetryPolicy,
  type Timeouts,
  type TransferEvent,
  type TransferOptions,
  type TransferState,
} from "../registry/index.ts";
export type { ProgressGroup } from "../llb/index.ts";
export type { PruneRequest, RECORD_TYPES, RecordId, RecordType, RecordUsage } from "../record/index.ts";
export type * from "./cache-types.ts";
export type {
  HistoryLine,
  ImageSummary,
  ImageTransferOptions,
  InUse,
  InspectedImage,
  ListImagesOptions,
  LoadImagesOptions,
  LoadedImage,
  PullImageOptions,
  PulledLayers,
  PushImageOptions,
  Removal,
  RemoveOptions,
  SaveOptions,
} from "../images/index.ts";
export type { Bytes, OnWait, Wait } from "../io/index.ts";
export type { PrunedTarget } from "../remotecache/index.ts";
export type {
  ArchiveFormat,
  ContainerConfig,
  Healthcheck as ImageHealthcheck,
  HistoryEntry,
  Image,
  ImageConfig,
  ImageLayer,
  LocalImage,
  Manifest,
  NamedImage,
} from "../image/index.ts";
export type { Damage, ReadOptions, VerifyOptions, VerifyProgress } from "../content/index.ts";
export type { JsonValue } from "../core/index.ts";
