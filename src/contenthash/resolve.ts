import { VarveError } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import { utf8Of } from "./bytes.ts";
import type { Tree, TreeNode } from "./types.ts";

/** Maximum number of symbolic links in a path, as in BuildKit's content hash. */
const MAX_LINKS = 255;

/** A path (`""` or `/a/b`) with symbolic links resolved, and its node, which is undefined if nothing exists there. */
export interface ResolvedPath {
  readonly path: ByteString;
  readonly node: TreeNode | undefined;
}

interface Step {
  readonly name: ByteString;
  readonly node: TreeNode | undefined;
}

/**
 * Resolves the symbolic links of a path inside the tree: absolute links start at the root of the tree, and `..` does not leave it.
 * If the last element is a symbolic link, it is followed only if `follow` is set. Elements may be missing, because a later `..`
 * may lead out of them again.
 * @throws {VarveError} `invalid-build` for more than 255 links
 */
export function resolvePath(tree: Tree, path: ByteString, follow: boolean): ResolvedPath {
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
      throw new VarveError("invalid-build", `Cannot resolve ${utf8Of(path)}: too many symbolic links`);
    if (node.linkname.startsWith("/")) steps.length = 0;
    left.push(...node.linkname.split("/").reverse());
  }
  return {
    path: steps.map(({ name }) => `/${name}`).join(""),
    node: steps.length === 0 ? tree.root : steps.at(-1)?.node,
  };
}
