import { VarveError } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import { textOf } from "./bytes.ts";
import type { Tree, TreeNode } from "./types.ts";

/** As BuildKit's content hash. */
const MAX_LINKS = 255;

/** A place in a tree: its path (`""` or `/a/b`), and what is there, if anything. */
export interface Place {
  readonly path: ByteString;
  readonly node: TreeNode | undefined;
}

interface Step {
  readonly name: ByteString;
  readonly node: TreeNode | undefined;
}

/**
 * Finds what a path leads to, every symbolic link on the way resolved inside the tree: absolute ones start again at the
 * root, `..` stops there. The last link is followed if `follow` is set. An element that does not exist is walked through by
 * name alone, as `..` may lead out of it again. Throws `invalid-build` after 255 links.
 */
export function resolvePlace(tree: Tree, path: ByteString, follow: boolean): Place {
  const left = path.split("/").reverse();
  const steps: Step[] = [];
  let links = 0;
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      steps.pop();
      continue;
    }
    const above = steps.length === 0 ? tree.root : steps.at(-1)?.node;
    const node = above?.entries().get(name);
    const isLast = left.every((part) => part === "");
    if (node?.kind !== "symlink" || (isLast && !follow)) {
      steps.push({ name, node });
      continue;
    }
    links += 1;
    if (links > MAX_LINKS)
      throw new VarveError("invalid-build", `Cannot resolve ${textOf(path)}: too many symbolic links`);
    if (node.linkname.startsWith("/")) steps.length = 0;
    left.push(...node.linkname.split("/").reverse());
  }
  return {
    path: steps.map(({ name }) => `/${name}`).join(""),
    node: steps.length === 0 ? tree.root : steps.at(-1)?.node,
  };
}
