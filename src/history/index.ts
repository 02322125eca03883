export { ActiveBuild } from "./active-build.ts";
export type { BlobRange, BlobTable } from "./blobs.ts";
export { BuildHistory, DEFAULT_LIMITS } from "./build-history.ts";
export { parseHistoryFilters, statusOf } from "./filters.ts";
export { imageDocuments } from "./image-documents.ts";
export { LocalBuild } from "./local-build.ts";
export type * from "./types.ts";
