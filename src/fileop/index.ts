export { type ApplyOptions, applyFileAction } from "./apply.ts";
export { type DraftedLayer, draftFileOp } from "./draft-op.ts";
export { canRevise, reviseTree } from "./revise.ts";
export { type ModeChange } from "./mode-change.ts";
export { type TreeOf, type UserId } from "./owner.ts";
export { type ChangingTree, type FileOpHost, type ReadableTree, runFileOp } from "./run.ts";
export type { SourceTree } from "./source-tree.ts";
export { listingOfWritten } from "./written-listing.ts";
