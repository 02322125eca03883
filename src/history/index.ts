export type { ActiveBuild } from "./active-build.ts";
export type { BlobTable } from "./blobs.ts";
export { BuildHistory } from "./build-history.ts";
export { statusOf } from "./filters.ts";
export { imageDocuments } from "./image-documents.ts";
export { LocalBuild } from "./local-build.ts";
export type * from "./types.ts";
