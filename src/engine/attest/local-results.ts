import type { SourceFacts } from "../../attest/index.ts";
import type { Digest } from "../../core/index.ts";
import { type Dockerfile, lineRanges } from "../../dockerfile/index.ts";
import type { CompileResult } from "../../frontend/index.ts";
import { dockerfileEdge } from "../context/dockerfile-edge.ts";
import type { RequestTrace, TracedResult } from "./request-trace.ts";

/** Returns the compiled results of a build of this process, with where they come from. */
export function localResults(
  file: Dockerfile,
  compiled: readonly CompileResult[],
  trace: RequestTrace,
): TracedResult[] {
  return compiled.map((result) => ({
    platform: result.platform,
    edge: result.edge,
    trace,
    sources: sourcesOf(file, result, trace),
  }));
}

function sourcesOf({ source }: Dockerfile, { sources }: CompileResult, trace: RequestTrace): SourceFacts {
  const { name, text } = source;
  const edge = trace.locals.includes("dockerfile") ? dockerfileEdge("dockerfile", name) : trace.edges[0];
  return {
    files: [{ filename: name, language: "Dockerfile", data: Buffer.from(text), edge }],
    locationsOf: (vertex: Digest) =>
      (sources.get(vertex) ?? []).map((range) => ({ file: 0, ranges: lineRanges(range) })),
  };
}
