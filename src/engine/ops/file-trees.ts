import type { ChangingTree, ReadableTree } from "../../fileop/index.ts";
import { type FileAction, actionName } from "../../llb/index.ts";
import { type Hold, SCRATCH } from "../../record/index.ts";
import { recordOf } from "./context-record.ts";
import type { OpDeps } from "./deps.ts";
import { type Result, recordResult } from "./result.ts";

/** What file ops use. */
export type FileDeps = Pick<OpDeps, "records" | "hold" | "keepFailed" | "blobs" | "layersAbove">;

/** Opens a writable tree on top of a result. */
export async function change(
  base: Result | undefined,
  action: FileAction,
  deps: FileDeps,
  hold: Hold,
): Promise<ChangingTree<Result>> {
  const id = base === undefined ? SCRATCH : await recordOf(base, deps, hold);
  const layer = await deps.records.begin(id, { description: actionName(action) }, hold);
  return {
    path: layer.path,
    commit: async () => recordResult((await layer.commit()).id),
    [Symbol.asyncDispose]: () => layer[Symbol.asyncDispose](),
  };
}

/** Opens a result for reading. A context directory is read in place, a record through a mounted view. */
export async function read(result: Result, deps: FileDeps, hold: Hold): Promise<ReadableTree> {
  if (result.kind === "context") {
    const { path, filter, owner, modes } = result.context;
    return { tree: { path: String(path), filter, owner, modes }, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const view = await deps.records.mount(result.id, hold);
  return { tree: { path: view.path }, [Symbol.asyncDispose]: async () => await view[Symbol.asyncDispose]() };
}
