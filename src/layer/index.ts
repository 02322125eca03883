export { applyLayer, type ApplyLayerOptions } from "./apply.ts";
export { ARCHIVE_HEAD, archiveKind, type ArchiveKind, checkedTar, isArchive, readArchive } from "./archive.ts";
export { createLayer, type CreatedLayer, type CreateLayerOptions, type LayerStream } from "./create-layer.ts";
export {
  diffOverlay,
  type DiffOverlayOptions,
  diffTrees,
  type DiffTreesOptions,
  packTree,
  type PackOptions,
} from "./diff/diff.ts";
export { type BlobReader, tocOffsetOf } from "./estargz/toc-read.ts";
export { type EstargzVerdict, verifyEstargz } from "./estargz/verify.ts";
export { type ArchiveSource, extractArchive, type ExtractOptions } from "./extract.ts";
export { readTar, type ReadTarOptions } from "./tar/read.ts";
export { writeTar } from "./tar/write.ts";
export type { TarBody, TarEntry, TarEntryType, TarHeader, TarInput, TarPiece } from "./types.ts";
export type { Unpacked } from "./unpack/unpack.ts";
