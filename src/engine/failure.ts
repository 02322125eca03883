import { type Digest, VarveError } from "../core/index.ts";
import { type SourceFile, type SourceRange, hasLocation, locatedError } from "../dockerfile/index.ts";
import type { CompileResult } from "../frontend/index.ts";

/** The file a graph was made of, and what in it each vertex comes from. */
export interface Origin {
  readonly file: SourceFile;
  readonly compiled: readonly Pick<CompileResult, "sources">[];
}

/**
 * What a failed build throws: the failure of a vertex gets its place in the Dockerfile from the graph's origin, and whatever
 * has a place is told in the words BuildKit's users look for.
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

/** Of several instructions that make one vertex the first. */
function rangeOf(vertex: Digest, compiled: Origin["compiled"]): SourceRange | undefined {
  for (const { sources } of compiled) {
    const range = sources.get(vertex)?.[0];
    if (range !== undefined) return range;
  }
  return undefined;
}
