import { isVarveError } from "../../../core/index.ts";
import type { GrpcError } from "../../../grpc/index.ts";
import { sourceDetail } from "./detail.ts";
import { statusError, withDetail } from "./status.ts";
import { definitionJson } from "../result/definition-json.ts";
import type { SourcePosition, VertexSources } from "../result/sources.ts";

/**
 * Returns the error that a client gets, with its details: the vertex that failed, its exit code, and the lines that it was compiled
 * from. `sources` finds the lines in what was being built.
 */
export function buildError(error: unknown, sources: readonly VertexSources[]): GrpcError {
  let located: GrpcError = statusError(error);
  for (const position of positionsOf(error, sources)) located = positionedError(located, position);
  return located;
}

/** Returns the positions of the vertex that failed. */
function positionsOf(error: unknown, sources: readonly VertexSources[]): readonly SourcePosition[] {
  const vertex = isVarveError(error) ? error.details.vertex : undefined;
  if (vertex === undefined) return [];
  return sources.map((find) => find(vertex)).find((positions) => positions.length > 0) ?? [];
}

/** Returns an error with a position in a file as its outermost detail. */
export function positionedError(error: unknown, { source, ranges }: SourcePosition): GrpcError {
  const { filename, data, language, definition } = source;
  const info = { filename, data, language, definition: definition && definitionJson(definition) };
  return withDetail(error, sourceDetail(info, ranges));
}
