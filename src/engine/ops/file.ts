import { type ChangingTree, type FileOpHost, type ReadableTree, runFileOp } from "../../fileop/index.ts";
import { type ByteString, byteStringOf } from "../../linux/index.ts";
import { type FileAction, type FileOp, actionName } from "../../llb/index.ts";
import { type Hold, SCRATCH } from "../../record/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { recordOf } from "./context-record.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import { type Result, recordResult } from "./result.ts";

/** Executes the actions of a file op and returns one result for each output. */
export async function executeFile(
  op: FileOp,
  inputs: readonly Result[],
  deps: OpDeps,
  context: OpContext,
): Promise<readonly Result[]> {
  const hold = holdFor(deps, context);
  const host: FileOpHost<Result> = {
    change: (base, action) => change(base, action, deps, hold),
    read: (result) => read(result, deps, hold),
  };
  const results = await runFileOp(op, inputs, host, context.signal);
  await verifyCopied(op, inputs, context.signal);
  return results;
}

async function change(
  base: Result | undefined,
  action: FileAction,
  deps: OpDeps,
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
async function read(result: Result, deps: OpDeps, hold: Hold): Promise<ReadableTree> {
  if (result.kind === "context") {
    const { path, filter, owner } = result.context;
    return { tree: { path: String(path), filter, owner }, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const view = await deps.records.mount(result.id, hold);
  return { tree: { path: view.path }, [Symbol.asyncDispose]: async () => await view[Symbol.asyncDispose]() };
}

/** Throws if the copied files of a context have changed since the step's cache key was computed. */
async function verifyCopied(op: FileOp, inputs: readonly Result[], signal: AbortSignal): Promise<void> {
  for (const [index, input] of inputs.entries()) {
    if (input.kind !== "context") continue;
    const paths = op.actions.flatMap((action) =>
      action.kind === "copy" && action.secondaryInput === index ? copiedPaths(action.src, action.allowWildcard) : [],
    );
    await input.context.verifyAll(paths, signal);
  }
}

/** Returns the paths of a context that a copy reads: everything if the source is a pattern. */
function copiedPaths(src: string, wildcard: boolean): ByteString[] {
  if (wildcard && /[*?[\\]/.test(src)) return [""];
  const names = src.split("/").filter((name) => name !== "" && name !== ".");
  return [byteStringOf(names.join("/"))];
}
