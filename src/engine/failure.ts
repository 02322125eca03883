import { type Digest, VarveError } from "../core/index.ts";
import { type SourceFile, type SourceRange, hasLocation, locatedError } from "../dockerfile/index.ts";
import type { CompileResult } from "../frontend/index.ts";

/** The Dockerfile that a graph was compiled from, and the instructions of each vertex. */
export interface Origin {
  readonly file: SourceFile;
  readonly compiled: readonly Pick<CompileResult, "sources">[];
}

/**
 * Returns the error that a failed build throws. Adds the position in the Dockerfile to the failure of a vertex, and BuildKit's prefix
 * "failed to solve:" to every error with a position.
 */
export function buildFailure(error: unknown, origin?: Origin): unknown {
  if (!(error instanceof VarveError) || error.code === "cancelled") return error;
  const placed = origin === undefined || hasLocation(error) ? error : placeOf(error, origin);
  if (!hasLocation(placed)) return placed;
  return new VarveError(placed.code, `failed to solve: ${placed.message}`, {
    details: placed.details,
    cause: placed,
    hint: placed.hint,
  });
}

function placeOf(error: VarveError, { file, compiled }: Origin): VarveError {
  const vertex = error.details.vertex;
  const range = vertex === undefined ? undefined : rangeOf(vertex, compiled);
  return range === undefined ? error : locatedError(error, file, range);
}

/** Returns the position of a vertex; of the first instruction if it has several. */
function rangeOf(vertex: Digest, compiled: Origin["compiled"]): SourceRange | undefined {
  for (const { sources } of compiled) {
    const range = sources.get(vertex)?.[0];
    if (range !== undefined) return range;
  }
  return undefined;
}
