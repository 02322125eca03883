import { type VarveError, isVarveError } from "../../../core/index.ts";
import type { GrpcError } from "../../../grpc/index.ts";
import { sourceDetail } from "../errors/detail.ts";
import { statusError, withDetail } from "../errors/status.ts";
import type { SourcePosition, VertexSources } from "../result/sources.ts";
import { lineRanges } from "../dockerfile/ranges.ts";

/**
 * Returns the error that a client gets, with its details: the vertex that failed, its exit code, and the lines that it was compiled
 * from. `sources` finds the lines in what was being built.
 */
export function buildError(error: unknown, sources: readonly VertexSources[]): GrpcError {
  let located: GrpcError = statusError(error);
  for (const { source, ranges } of positionsOf(error, sources)) {
    const { filename, data, language } = source;
    located = withDetail(located, sourceDetail({ filename, data, language }, ranges));
  }
  return located;
}

/** Returns the positions of an error: that of a Dockerfile that cannot be compiled, or those of the vertex that failed. */
function positionsOf(error: unknown, sources: readonly VertexSources[]): readonly SourcePosition[] {
  if (!isVarveError(error)) return [];
  const own = ownPosition(error);
  if (own !== undefined) return [own];
  const { vertex } = error.details;
  if (vertex === undefined) return [];
  return sources.map((find) => find(vertex)).find((positions) => positions.length > 0) ?? [];
}

function ownPosition({ details: { location, sourceText } }: VarveError): SourcePosition | undefined {
  if (location === undefined || sourceText === undefined) return undefined;
  const { file, line, column, endLine, endColumn } = location;
  return {
    source: { filename: file, data: Buffer.from(sourceText), language: "Dockerfile" },
    ranges: lineRanges({ start: { line, column }, end: { line: endLine, column: endColumn } }),
  };
}
