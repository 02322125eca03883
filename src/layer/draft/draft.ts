import type { ByteString } from "../../linux/index.ts";
import type { FileStats, TreeFile } from "../diff/tree.ts";
import type { UpperTree } from "../diff/upper.ts";
import type { FileType } from "../tar/format.ts";

/** Changes of a tree that were described and not made (see `DraftTree`). A plain value that can be sent to a thread. */
export interface Draft {
  /** The path of the tree that changes. Undefined for an empty tree. */
  readonly lower: ByteString | undefined;
  readonly entries: readonly DraftEntry[];
}

export type DraftEntry = DraftFile | DraftDeletion;

/** A file that is new, changed, or above one that is. */
export interface DraftFile {
  /** Relative to the root. */
  readonly path: ByteString;
  readonly type: FileType;
  /** The path of the file with the content, the link's target and the extended attributes. Undefined for a new directory. */
  readonly source: ByteString | undefined;
  /** The paths of the files whose extended attributes a directory has. Those of later ones count. */
  readonly attributes: readonly ByteString[];
  /** A directory of which nothing in the lower tree is visible. */
  readonly opaque: boolean;
  /** Names of one file have the same `ino`. */
  readonly stats: FileStats;
  /** What `source` was like. Its content is not read if that has changed. */
  readonly content: Pick<FileStats, "ino" | "size" | "mtimeNs">;
}

/** A file of the lower tree that was deleted. */
export interface DraftDeletion {
  readonly path: ByteString;
  readonly type?: undefined;
}

/** Returns the upper tree that a draft describes. */
export function draftUpper({ entries }: Draft): UpperTree {
  const files = new Map<ByteString, DraftFile>();
  const names = new Map<ByteString, ByteString[]>();
  for (const entry of entries) {
    if (entry.type !== undefined) files.set(entry.path, entry);
    if (entry.path === "") continue;
    const slash = entry.path.lastIndexOf("/");
    const above = entry.path.slice(0, Math.max(0, slash));
    const siblings = names.get(above);
    if (siblings === undefined) names.set(above, [entry.path.slice(slash + 1)]);
    else siblings.push(entry.path.slice(slash + 1));
  }
  return {
    complete: false,
    names: (path) => names.get(path)?.sort() ?? [],
    file: (path) => treeFile(files.get(path)),
    isOpaque: ({ path }) => files.get(path)?.opaque === true,
  };
}

function treeFile(entry: DraftFile | undefined): TreeFile | undefined {
  if (entry === undefined) return undefined;
  const { path, type, source = "", stats, content } = entry;
  return { path, type, fullPath: source, stats, content };
}
