export { type ApplyLayerOptions, applyLayer } from "./apply.ts";
export { ARCHIVE_HEAD, type ArchiveKind, archiveKind, checkedTar, isArchive, readArchive } from "./archive.ts";
export { type CreateLayerOptions, type CreatedLayer, type LayerStream, createLayer } from "./create-layer.ts";
export {
  type DiffOverlayOptions,
  type DiffTreesOptions,
  type PackOptions,
  diffOverlay,
  diffTrees,
  packTree,
} from "./diff/diff.ts";
export { type TreeFile, findFile, isWhiteoutDevice, linkTarget, xattrNames, xattrOf } from "./diff/tree.ts";
export { type UpperTree, directoryUpper, isOpaque } from "./diff/upper.ts";
export { draftArchive } from "./draft/draft-archive.ts";
export { type Draft, type DraftFile, draftUpper } from "./draft/draft.ts";
export {
  type Listing,
  type ListingChanges,
  MAX_LISTED,
  compareListings,
  decodeListing,
  encodeListing,
  listDraft,
} from "./draft/listing.ts";
export { type DraftMetadata, type DraftSource, DraftTree } from "./draft/draft-tree.ts";
export type { ArchiveOptions } from "./diff/tree-archive.ts";
export type { LayerMember, MemberCache } from "./gzip/write.ts";
export { type BlobReader, tocOffsetOf } from "./estargz/toc-read.ts";
export { type EstargzVerdict, verifyEstargz } from "./estargz/verify.ts";
export { type ArchiveSource, type ExtractOptions, extractArchive } from "./extract.ts";
export { type ReadTarOptions, readTar } from "./tar/read.ts";
export { writeTar } from "./tar/write.ts";
export type { TarBody, TarEntry, TarEntryType, TarHeader, TarInput, TarPiece } from "./types.ts";
export type { Unpacked } from "./unpack/unpack.ts";
