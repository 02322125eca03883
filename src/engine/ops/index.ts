import { VarveError } from "../../core/index.ts";
import { EMPTY, type ExecOp, type InputKey, type Vertex, cacheMapOf, vertexName } from "../../llb/index.ts";
import { type Hold, type RecordId, SCRATCH } from "../../record/index.ts";
import type { CacheMap, CacheMapInput, ContentContext, OpContext, SolverOp } from "../../solver/index.ts";
import { CHECKSUMS, contentDigest } from "./content.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import { recordOf } from "./context-record.ts";
import { resourceLimits } from "../options/resources.ts";
import { byContent, withSecrets } from "./step-policy.ts";
import { withFailure } from "./op-failure.ts";
import { type Result, recordResult } from "./result.ts";
import type { TracedExec } from "./traced-exec.ts";
import { sourceOp } from "./source.ts";

/** Returns the op that computes a vertex's cache keys and executes it. */
export function solverOp(vertex: Vertex, deps: OpDeps): SolverOp<Result> {
  const { op } = vertex;
  switch (op.kind) {
    case "source":
      return sourceOp({ ...vertex, op }, deps);
    case "exec":
      return execOp({ ...vertex, op }, deps);
    case "file":
      return keyedOp(vertex, deps, outputsOf(op.actions.map((action) => action.output)), async (inputs, context) => {
        const { executeFile } = await import("./file.ts");
        return await executeFile({ op, definition: cacheMapOf(vertex).digest }, inputs, deps, context);
      });
    case "merge":
      return keyedOp(vertex, deps, 1, async (inputs, context) => {
        const hold = holdFor(deps, context);
        const ids = await Promise.all(inputs.map((input) => recordOf(input, deps, hold)));
        return [recordResult(deps.records.merge(ids, { description: vertexName(vertex) }, hold.lease))];
      });
    case "diff":
      return keyedOp(vertex, deps, 1, async (inputs, context) => {
        const hold = holdFor(deps, context);
        const lower = await recordAt(op.lower, inputs, deps, hold);
        return [recordResult(await deps.records.diff(lower, await recordAt(op.upper, inputs, deps, hold), hold))];
      });
    case "build":
      return keyedOp(vertex, deps, 1, async (inputs, context) => {
        const { executeBuild } = await import("./build.ts");
        return await executeBuild({ ...vertex, op }, inputs, deps, context);
      });
    case "passthrough":
      return keyedOp(vertex, deps, op.outputs.length, async (inputs, context) => {
        const hold = holdFor(deps, context);
        return await Promise.all(
          op.outputs.map(async (input) => recordResult(await recordAt(input, inputs, deps, hold))),
        );
      });
  }
}

function execOp(vertex: Vertex & { readonly op: ExecOp }, deps: OpDeps): SolverOp<Result> {
  const { op, metadata, platform } = vertex;
  const exec = { op, vertex: vertex.digest, platform, limits: resourceLimits(metadata.linuxResources) };
  const outputs = outputsOf(op.mounts.map((mount) => mount.output));
  if (!isTraced(vertex, deps))
    return keyedOp(vertex, deps, outputs, async (inputs, context) => {
      const { executeExec } = await import("./exec.ts");
      return await executeExec(exec, inputs, deps, context);
    });
  let opened: Promise<TracedExec> | undefined;
  const tracedExec = (): Promise<TracedExec> => (opened ??= openTracedExec(vertex, deps));
  const keyed = keyedOp(vertex, deps, outputs, async (inputs, context) => {
    await Promise.all(inputs.map((input) => unpack(input, deps, context)));
    return await (await tracedExec()).execute(inputs, context);
  });
  return {
    ...keyed,
    // Inputs are prepared when it is known that the step runs.
    cacheMap: async (index, context) => {
      const { map, done } = await keyed.cacheMap(index, context);
      return { map: { ...map, inputs: map.inputs.map((input) => ({ ...input, preload: undefined })) }, done };
    },
    mayRecall: async () => await (await tracedExec()).mayRecall(),
    recall: async (inputs, context, traces) => {
      const recalled = await (await tracedExec()).recall(inputs, context);
      if (recalled !== undefined) await deps.explaining?.recalled(vertex, { inputs, traces, ...recalled });
      return recalled;
    },
  };
}

/** Returns whether a step is traced. One with a proxy is not: the certificates in its root are not those of the next run. */
export function isTraced({ op, metadata }: Vertex, { traced, proxy }: OpDeps): boolean {
  if (op.kind !== "exec" || traced === undefined || proxy !== undefined) return false;
  return (metadata.policy?.traced ?? traced.mode) !== undefined;
}

/** Opens a step that is traced. */
export async function openTracedExec(vertex: Vertex & { readonly op: ExecOp }, deps: OpDeps): Promise<TracedExec> {
  const { op, metadata } = vertex;
  const { traced } = deps;
  if (traced === undefined) throw new VarveError("internal", "Cannot trace a step: no runs can be remembered");
  const [{ TracedExec: Traced }, runs] = await Promise.all([import("./traced-exec.ts"), traced.open()]);
  const exec = { op, vertex: vertex.digest, limits: resourceLimits(metadata.linuxResources) };
  return new Traced(vertex, exec, runs, deps);
}

/** Returns the record of an input; scratch if there is none. */
async function recordAt(index: number, inputs: readonly Result[], deps: OpDeps, hold: Hold): Promise<RecordId> {
  const input = inputs[index];
  return index === EMPTY || input === undefined ? SCRATCH : await recordOf(input, deps, hold);
}

function outputsOf(outputs: readonly number[]): number {
  return Math.max(1, ...outputs.map((output) => output + 1));
}

type Execute = (inputs: readonly Result[], context: OpContext) => Promise<readonly Result[]>;

function keyedOp(vertex: Vertex, deps: OpDeps, outputs: number, execute: Execute): SolverOp<Result> {
  return {
    outputs,
    resources: vertex.op.kind === "exec" ? "step" : vertex.op.kind === "file" ? "io" : "none",
    cacheMap: async () => {
      const { digest, inputs } = cacheMapOf(vertex);
      const map: CacheMap<Result> = {
        digest: await withSecrets(digest, vertex.metadata.policy, deps),
        inputs: inputs.map((input, at) => {
          const made = cacheInput(input, at, deps);
          return vertex.inputs[at]?.vertex.metadata.policy?.cutoff === true ? byContent(made, deps) : made;
        }),
      };
      return { map, done: true };
    },
    announce: async (inputs, traces) => await deps.explaining?.announce(vertex, inputs, traces),
    execute: async (inputs, context) => {
      const startedAt = performance.now();
      const results = await execute(inputs, context);
      if (vertex.op.kind === "exec" || vertex.op.kind === "file") {
        const { timeName } = await import("./step-time.ts");
        deps.stepTimes.save(timeName(await deps.project(), vertex), performance.now() - startedAt);
      }
      await deps.explaining?.record(vertex, results);
      return results;
    },
  };
}

function cacheInput(input: InputKey, index: number, deps: OpDeps): CacheMapInput<Result> {
  const { selector, content, preload } = input;
  return {
    selector,
    ...(content === undefined
      ? {}
      : {
          content: async (result, context) => {
            try {
              return await CHECKSUMS.run(
                () => contentDigest(result, content, deps, holdFor(deps, context)),
                context.signal,
              );
            } catch (error) {
              throw withFailure(error, { inputs: [result], mounts: [], subject: { kind: "cache", index } });
            }
          },
        }),
    ...(preload ? { preload: (result, context) => unpack(result, deps, context) } : {}),
  };
}

async function unpack(result: Result, deps: OpDeps, context: ContentContext): Promise<void> {
  if (result.kind === "record") await deps.records.snapshots.of(result.id, holdFor(deps, context));
}
