import { type ContentEntry, type ContentSelector, type Tree, listContent } from "../../contenthash/index.ts";
import type { Result } from "./result.ts";

/** The trees of records whose content was digested, with the metadata of all files that were read. They live as long as the result. */
const trees = new WeakMap<Result, Map<string, Tree>>();

/** Keeps the tree of a record whose content was digested, for `contentFiles`. */
export function keepTree(result: Result, selectors: readonly ContentSelector[], tree: Tree): void {
  const known = trees.get(result) ?? new Map<string, Tree>();
  trees.set(result, known.set(JSON.stringify(selectors), tree));
}

/** Returns the files that a content key covers, after `contentDigest` has computed it; undefined if they are not known any more. */
export function contentFiles(
  result: Result,
  selectors: readonly ContentSelector[],
): Iterable<ContentEntry> | undefined {
  if (result.kind === "context") return result.context.files(selectors);
  const tree = trees.get(result)?.get(JSON.stringify(selectors));
  return tree === undefined ? undefined : listContent(tree, selectors);
}
