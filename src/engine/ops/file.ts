import { type FileOpHost, draftFileOp, runFileOp } from "../../fileop/index.ts";
import type { Digest } from "../../core/index.ts";
import { type ByteString, byteStringOf } from "../../linux/index.ts";
import { type FileOp, actionName } from "../../llb/index.ts";
import { type Hold, SCRATCH } from "../../record/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { recordOf } from "./context-record.ts";
import { holdFor } from "./deps.ts";
import { type FileDeps, change, read } from "./file-trees.ts";
import { describeVersion } from "./file-version.ts";
import { type OpFailure, withFailure } from "./op-failure.ts";
import { type Result, recordResult } from "./result.ts";

/**
 * Executes the actions of a file op and returns one result for each output. `definition` is the digest of the op without what it
 * copies: with it, a layer can be made of the one that the op made of other files.
 */
export async function executeFile(
  { op, definition }: { readonly op: FileOp; readonly definition?: Digest | undefined },
  inputs: readonly Result[],
  deps: FileDeps,
  context: OpContext,
): Promise<readonly Result[]> {
  const hold = holdFor(deps, context);
  const drafted = await draftedBlob(op, inputs, deps, { ...context, hold });
  if (drafted !== undefined) {
    await verifyCopied(op, inputs, context.signal);
    return [drafted];
  }
  await using version = await describeVersion({ op, definition }, inputs, deps, { ...context, hold });
  const revised = await version?.revise();
  const results = revised === undefined ? await runOp(op, inputs, deps, { ...context, hold }) : [revised];
  await verifyCopied(op, inputs, context.signal);
  version?.save(results);
  return results;
}

interface Run {
  readonly signal: AbortSignal;
  readonly hold: Hold;
}

async function runOp(
  op: FileOp,
  inputs: readonly Result[],
  deps: FileDeps,
  { signal, hold }: Run,
): Promise<readonly Result[]> {
  let failure: OpFailure | undefined;
  const host: FileOpHost<Result> = {
    change: (base, action) => change(base, action, deps, hold),
    read: (result) => read(result, deps, hold),
    failed: async (index, trees) => {
      const mounts: (Result | undefined)[] = op.actions.map(() => undefined);
      if (deps.keepFailed === true) for (const [at, tree] of trees) mounts[at] = await tree.commit();
      failure = { inputs, mounts, subject: { kind: "file", index } };
    },
  };
  return await failing(
    () => runFileOp(op, inputs, host, signal),
    () => failure,
  );
}

/**
 * Writes the layer of an op whose files nobody needs straight into a blob, without copying files first. Returns undefined where that
 * is not wanted or not possible: the op must run.
 */
async function draftedBlob(
  op: FileOp,
  inputs: readonly Result[],
  deps: FileDeps,
  { signal, hold }: Run,
): Promise<Result | undefined> {
  const [first] = op.actions;
  if (deps.blobs === undefined || first === undefined || !deps.records.stacks) return undefined;
  try {
    await using layer = await draftFileOp(op, inputs, { read: (result) => read(result, deps, hold) }, signal);
    if (layer === undefined) return undefined;
    const base = inputs[first.input];
    const parent = base === undefined ? SCRATCH : await recordOf(base, deps, hold);
    const options = { ...deps.blobs, description: actionName(first) };
    return recordResult((await deps.records.addArchive(parent, layer.archive(signal), options, hold)).id);
  } catch (error) {
    // Running the op gives the error its message and its place.
    if (signal.aborted) throw error;
    return undefined;
  }
}

/** Runs work whose error gets a failure, if there is one. */
async function failing<T>(work: () => Promise<T>, failure: () => OpFailure | undefined): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = failure();
    throw known === undefined ? error : withFailure(error, known);
  }
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
