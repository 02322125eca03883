export type { Differ, Ownership } from "./metadata.ts";
export { receiveTree, type Received, type ReceiveOptions } from "./receive/receive.ts";
export type { ReceiveLimits } from "./receive/limits.ts";
export { mergedTrees, type NamedTree, treeOfFiles, type TreeFile, treesInDirectories } from "./send/combined-trees.ts";
export { DirectoryTree, type DirectoryTreeOptions } from "./send/directory-tree.ts";
export { type Sent, sendTree } from "./send/send.ts";
export type { Tree } from "./send/tree.ts";
export type { MessageStream, TransferOptions } from "./stream.ts";
export { decodeStat, isDirectory, type Stat } from "./wire/stat.ts";
