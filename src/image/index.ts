export { loadArchive, loadLayout, writeArchive, writeLayout } from "./archive/index.ts";
export type { ArchiveFormat, ArchiveImage, LoadOptions, LoadedImage, WriteOptions } from "./archive/types.ts";
export { type ImageParts, checkImage, isImageEntry } from "./check.ts";
export {
  DEFAULT_PATH,
  DEFAULT_SHELL,
  healthcheckConfig,
  withExposedPorts,
  withLabels,
  withTrigger,
  withVolumes,
} from "./config-edits.ts";
export { type WalkOptions, children, isDocumentType, linkImage, loadDocument, walkDescriptors } from "./documents.ts";
export { encodeContainerConfig, encodeImageConfig, encodeManifest, manifestJson } from "./encode.ts";
export { type LayerOrigin, type NormalizedHistory, normalizeHistory } from "./history.ts";
export { ImageStore, type NamedImage } from "./image-store.ts";
export {
  type ImageDocumentsStore,
  type LocalImage,
  createdAt,
  imageFields,
  openAnyPlatform,
  openLocalImage,
  openRelated,
} from "./local-image.ts";
export { type NamedImagesStore, keepUntagged, nameImage } from "./naming.ts";
export { openImage } from "./open.ts";
export {
  type ExportedLayer,
  type PatchOptions,
  type PatchedConfig,
  defaultImageConfig,
  patchImageConfig,
} from "./patch-config.ts";
export { matchesPlatform } from "./platform-match.ts";
export { configPlatform, parseContainerConfig, readImageConfig } from "./read-config.ts";
export { readIndex, readManifest, readManifestOrIndex } from "./read-manifest.ts";
export { ImageRelations, type Relation } from "./relations.ts";
export type * from "./types.ts";
export { imageTables } from "./schema.ts";
