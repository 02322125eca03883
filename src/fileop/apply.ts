import { throwIfAborted } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import type { CopyAction, FileActionBody } from "../llb/index.ts";
import { copy } from "./copy.ts";
import { actionFailure } from "./failure.ts";
import { type TreeOf, type UserId, resolveOwner } from "./owner.ts";
import { mkdir, mkfile, rm, symlink } from "./simple-actions.ts";
import type { SourceTree } from "./source-tree.ts";
import { SourceView } from "./source-view.ts";
import { TargetTree } from "./target.ts";

export interface ApplyOptions {
  /** Path of the tree to change. */
  readonly target: string;
  /** The tree that a copy reads. Defaults to an empty tree. */
  readonly source?: SourceTree | undefined;
  /** Returns the trees in which owners are looked up by name. */
  readonly treeOf: TreeOf;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Applies one file action to a tree. The kernel resolves every path, including symbolic links, inside its tree.
 *
 * @throws {VarveError} `not-found` for a source or parent that does not exist; `invalid-build` for an existing entry of the
 * wrong kind; `invalid-argument` for a malformed mode, owner or pattern; `unsupported` if only root may do it; `cancelled`;
 * `storage`.
 * @example
 * await applyFileAction(action, { target: "/srv/tree", source: { path: "/home/me/app" }, treeOf: async () => "/srv/tree" });
 */
export async function applyFileAction(action: FileActionBody, options: ApplyOptions): Promise<void> {
  const { source, signal } = options;
  throwIfAborted(signal, describe(action));
  using tree = new TargetTree(options.target);
  try {
    const owner = action.kind === "rm" ? undefined : await resolveOwner(action.owner, options.treeOf);
    switch (action.kind) {
      case "copy":
        return source === undefined
          ? await copyFromNothing(tree, action, owner, signal)
          : await copyFrom(source, tree, action, owner, signal);
      case "mkdir":
        return mkdir(tree, action, owner);
      case "mkfile":
        return mkfile(tree, action, owner);
      case "symlink":
        return symlink(tree, action, owner);
      case "rm":
        return await rm(tree, action, signal);
    }
  } catch (error) {
    throw actionFailure(error, describe(action));
  }
}

async function copyFromNothing(
  tree: TargetTree,
  action: CopyAction,
  owner: UserId | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using empty = await temporaryDirectory("varve-empty-");
  await copyFrom({ path: empty.path }, tree, action, owner, signal);
}

async function copyFrom(
  source: SourceTree,
  tree: TargetTree,
  action: CopyAction,
  owner: UserId | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  using view = new SourceView(source);
  await copy(tree, view, action, owner, signal);
}

/** Completes "Cannot …". */
function describe(action: FileActionBody): string {
  switch (action.kind) {
    case "copy":
      return `copy ${action.src} to ${action.dest}`;
    case "mkdir":
      return `make directory ${action.path}`;
    case "mkfile":
      return `write ${action.path}`;
    case "symlink":
      return `link ${action.newpath} to ${action.oldpath}`;
    case "rm":
      return `remove ${action.path}`;
  }
}
