import type { Digest } from "../../../core/index.ts";
import {
  type Definition,
  type Edge,
  type SourceLocation,
  type SourceMap,
  decodeDefinition,
  decodeSourceMap,
  definitionOf,
  encodeDefinition,
  encodeSourceMap,
  graphOf,
  missingCapability,
} from "../../../llb/index.ts";
import type { FrontendResult, ResultRef } from "./result.ts";
import type { SourcePosition, VertexSource, VertexSources } from "./sources.ts";

/** How graphs of clients are read. */
export interface GraphLoading {
  /** Applies the policies of the build to the sources of a graph. Absent: there are none. */
  readonly applyPolicy?: ((definition: Definition) => Promise<PolicedDefinition>) | undefined;
  readonly signal: AbortSignal;
}

/** A definition after policies were applied. */
export interface PolicedDefinition {
  readonly definition: Definition;
  /** The digest that the client knows of each vertex that changed. */
  readonly original: ReadonlyMap<Digest, Digest>;
}

/**
 * Reads a graph that a client sent, and returns it as a result.
 *
 * @throws {VarveError} with BuildKit's text for a graph that cannot be used.
 */
export async function loadDefinition(bytes: Uint8Array, loading: GraphLoading): Promise<FrontendResult> {
  return { refs: { kind: "single", ref: await loadRef(bytes, loading) }, metadata: new Map() };
}

/** Reads a graph, serialised or not; undefined if it is an empty filesystem. Throws as `loadDefinition`. */
export async function loadRef(
  graph: Uint8Array | Definition,
  { applyPolicy, signal }: GraphLoading,
): Promise<ResultRef | undefined> {
  const given = graph instanceof Uint8Array ? decodeDefinition(graph) : graph;
  const { edge, original } = await loadGraph(given, { applyPolicy, signal });
  if (edge === undefined) return undefined;
  const sources = sourcesOf(decodeSourceMap(given.source));
  return { edge, sources: (vertex) => sources(original.get(vertex) ?? vertex) };
}

/** Applies the policies of a build to a definition and reads it. */
export async function loadGraph(
  given: Definition,
  { applyPolicy, signal }: GraphLoading,
): Promise<{ readonly edge: Edge | undefined; readonly original: PolicedDefinition["original"] }> {
  const { definition, original } =
    applyPolicy === undefined ? { definition: given, original: new Map<Digest, Digest>() } : await applyPolicy(given);
  return { edge: graphOf(definition, { missing: missingCapability, signal }), original };
}

/** Serialises the graph of a filesystem, with the positions of its vertices: debuggers stop at them. */
export function encodedDefinition(ref: ResultRef | undefined): Uint8Array {
  const definition = definitionOf(ref?.edge);
  if (ref === undefined) return encodeDefinition(definition);
  const files = new Map<VertexSource, number>();
  const fileOf = (source: VertexSource): number => {
    const file = files.get(source) ?? files.size;
    files.set(source, file);
    return file;
  };
  const locations = new Map<Digest, SourceLocation[]>();
  for (const vertex of definition.metadata.keys()) {
    const found = ref.sources(vertex).map(({ source, ranges }) => ({ file: fileOf(source), ranges }));
    if (found.length > 0) locations.set(vertex, found);
  }
  if (files.size === 0) return encodeDefinition(definition);
  return encodeDefinition({ ...definition, source: encodeSourceMap({ files: [...files.keys()], locations }) });
}

function sourcesOf({ files, locations }: SourceMap): VertexSources {
  const sources = files.map(({ filename, data, language, definition }): VertexSource => ({
    filename,
    data,
    language,
    definition,
  }));
  return (vertex) => {
    const found = locations.get(vertex) ?? [];
    return found.flatMap(({ file, ranges }): SourcePosition[] => {
      const source = sources[file];
      return source === undefined ? [] : [{ source, ranges }];
    });
  };
}
