/** The entry point `varve/layer`: tar archives, and layers made from directories and applied to them. */
export * from "./vocabulary.ts";
export {
  type ApplyLayerOptions,
  type ArchiveKind,
  type ArchiveOptions,
  type ArchiveSource,
  type BlobReader,
  type CreateLayerOptions,
  type CreatedLayer,
  type DiffOverlayOptions,
  type DiffTreesOptions,
  type EstargzVerdict,
  type ExtractOptions,
  type LayerStream,
  type PackOptions,
  type ReadTarOptions,
  type TarBody,
  type TarEntry,
  type TarEntryType,
  type TarHeader,
  type TarInput,
  type TarPiece,
  type Unpacked,
  applyLayer,
  archiveKind,
  createLayer,
  diffOverlay,
  diffTrees,
  extractArchive,
  packTree,
  readArchive,
  readTar,
  verifyEstargz,
  writeTar,
} from "../layer/index.ts";
export type { Bytes, CompressionFormat, Named } from "../io/index.ts";
export type { ByteString, Path } from "../linux/index.ts";
export type { LayerCompression, StreamCompression } from "../core/index.ts";
