import type { SourceFacts, SourceFile } from "../../../attest/index.ts";
import { type Digest, type Platform, hostPlatform } from "../../../core/index.ts";
import type { RequestTrace, TracedResult } from "../../../engine/index.ts";
import { type Edge, decodeDefinition, graphOf, missingCapability, walkVertices } from "../../../llb/index.ts";
import type { ResultRef } from "./result.ts";
import type { VertexSource } from "./sources.ts";

/** Returns a filesystem of a result with where it comes from. `root` is the trace of the client's own request. */
export function tracedResult(
  ref: ResultRef | undefined,
  platform: Platform | undefined,
  root: RequestTrace,
): TracedResult {
  return {
    platform: platform ?? hostPlatform(),
    edge: ref?.edge,
    trace: ref?.trace ?? root,
    sources: ref && sourceFacts(ref),
  };
}

/** Returns the files that a graph was compiled from, numbered in the order of its vertices. */
function sourceFacts({ edge, sources }: ResultRef): SourceFacts {
  const files: VertexSource[] = [];
  for (const { digest } of edge === undefined ? [] : walkVertices([edge.vertex]))
    for (const { source } of sources(digest)) if (!files.includes(source)) files.push(source);
  return {
    files: files.map(sourceFile),
    locationsOf: (vertex: Digest) =>
      sources(vertex).map(({ source, ranges }) => ({ file: files.indexOf(source), ranges })),
  };
}

function sourceFile({ filename, language, data, definition }: VertexSource): SourceFile {
  return { filename, language, data, edge: definition && readGraph(definition) };
}

/** A graph that cannot be read is left out: nothing depends on it. */
function readGraph(definition: Uint8Array): Edge | undefined {
  try {
    return graphOf(decodeDefinition(definition), { missing: missingCapability });
  } catch {
    return undefined;
  }
}
