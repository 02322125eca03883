import { checksum, listContent, snapshotTree, type TreeNode, wholeTree } from "../../contenthash/index.ts";
import { type Change, type FileList, type Reason, compareLists, fileListOf } from "../../explain/index.ts";
import type { Store } from "../store/store.ts";

/** Where the files of results are. */
export type ResultStore = Pick<Store, "records" | "snapshotter">;

/** Maximum number of files of a layer that is compared. */
const MAX_FILES = 5_000;
/** Maximum bytes of them. */
const MAX_BYTES = 33_554_432;

/**
 * Adds the files in which the results of a step differ that ran again with the same inputs. Only the layers of both results are compared,
 * and only if they are small and on the disk.
 */
export async function withResultFiles(reason: Reason, store: ResultStore): Promise<Reason> {
  if (reason.kind !== "changed") return reason;
  const changes: Change[] = [];
  for (const change of reason.changes) changes.push(await withFiles(change, store));
  return { ...reason, changes };
}

async function withFiles(change: Change, store: ResultStore): Promise<Change> {
  if (change.kind !== "step" || change.files.length > 0 || change.cause === undefined) return change;
  if (change.results === undefined || change.cause.kind === "changed" || change.cause.kind === "first") return change;
  const [before, after] = await Promise.all(change.results.map((id) => layerFiles(id, store)));
  if (before === undefined || after === undefined) return change;
  const { changes: files } = compareLists(before, after);
  return { ...change, files, total: files.length };
}

/**
 * Returns the files of a result's last layer; undefined if there are too many, or they are not on the disk. A layer that was written as a
 * new version of another one is not read.
 */
async function layerFiles(id: string, { records, snapshotter }: ResultStore): Promise<FileList | undefined> {
  const name = records.get(id)?.snapshot;
  const [directory, ...earlier] = (name === undefined ? undefined : snapshotter.upperDirs(name)) ?? [];
  if (directory === undefined || earlier.length > 0) return undefined;
  try {
    const tree = snapshotTree(directory);
    if (tree.root === undefined || !isSmall(tree.root)) return undefined;
    await checksum(tree, [wholeTree]);
    return fileListOf(listContent(tree, [wholeTree]));
  } catch {
    // The result was removed meanwhile.
    return undefined;
  }
}

function isSmall(root: TreeNode): boolean {
  const open = [root];
  let bytes = 0;
  for (const node of open) {
    bytes += node.header().size;
    if (open.length > MAX_FILES || bytes > MAX_BYTES) return false;
    open.push(...node.entries().values());
  }
  return true;
}
