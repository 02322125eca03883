import { type Digest, VarveError } from "../core/index.ts";
import { type SourceFile, type SourceRange, hasLocation, locatedError } from "../dockerfile/index.ts";
import type { CompileResult } from "../frontend/index.ts";

/** A part of the file that a graph was compiled from. */
export interface Place {
  readonly file: SourceFile;
  readonly range: SourceRange;
}

/** Returns the place that a vertex was compiled from; the first if it has several. */
export type PlaceOf = (vertex: Digest) => Place | undefined;

/** Returns the places of compiled Dockerfiles. */
export function placesOf(file: SourceFile, compiled: readonly Pick<CompileResult, "sources">[]): PlaceOf {
  return (vertex) => {
    for (const { sources } of compiled) {
      const range = sources.get(vertex)?.[0];
      if (range !== undefined) return { file, range };
    }
    return undefined;
  };
}

/**
 * Returns the error that a failed build throws. Adds the position in the Dockerfile to the failure of a vertex, and BuildKit's prefix
 * "failed to solve:" to every error with a position.
 */
export function buildFailure(error: unknown, placeOf?: PlaceOf): unknown {
  if (!(error instanceof VarveError) || error.code === "cancelled") return error;
  const placed = placeOf === undefined || hasLocation(error) ? error : located(error, placeOf);
  if (!hasLocation(placed)) return placed;
  return new VarveError(placed.code, `failed to solve: ${placed.message}`, {
    details: placed.details,
    cause: placed,
    hint: placed.hint,
  });
}

function located(error: VarveError, placeOf: PlaceOf): VarveError {
  const { vertex } = error.details;
  const place = vertex === undefined ? undefined : placeOf(vertex);
  return place === undefined ? error : locatedError(error, place.file, place.range);
}
