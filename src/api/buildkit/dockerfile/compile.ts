import type { CompileResult } from "../../../frontend/index.ts";
import { type CompileSettings, type Session, argumentOptions, compileAll, loadBuild } from "../../../engine/index.ts";
import { definitionOf } from "../../../llb/index.ts";
import { type GraphLoading, loadGraph } from "../result/definition.ts";
import { type FrontendResult, type ResultRef, resultOfCompiled } from "../result/result.ts";
import type { VertexSource, VertexSources } from "../result/sources.ts";
import { type Attributes, settingsOf } from "./attributes.ts";
import { type FrontendInputs, type OpenUpload, contextsOf } from "./contexts.ts";
import { lineRanges } from "./ranges.ts";

/** A request to `dockerfile.v0`, in the session of a build. */
export interface DockerfileRequest {
  readonly attributes: Attributes;
  readonly inputs: FrontendInputs;
  readonly session: Session;
  /** The id of the client's session. */
  readonly sessionId: string;
  readonly upload: OpenUpload;
  /** How graphs are read. */
  readonly loading: GraphLoading;
  /** Keeps mounts of contexts until the build ends. */
  readonly stack: AsyncDisposableStack;
}

/** Returns the settings of a request. */
export function compileSettings({ attributes, inputs, sessionId, upload }: DockerfileRequest): CompileSettings {
  return { ...settingsOf(attributes), ...contextsOf(attributes, inputs, upload), sessionId };
}

/**
 * Compiles a Dockerfile for the platforms that the request names. Runs nothing of it.
 *
 * @throws {VarveError} `invalid-argument` for attributes, `invalid-build` for the Dockerfile or the context.
 */
export async function compileRequest(request: DockerfileRequest): Promise<FrontendResult> {
  const { session, stack } = request;
  const settings = compileSettings(request);
  const loaded = await loadBuild(settings, session, stack);
  const compiled = await compileAll(loaded, settings, session);
  const { name, text } = loaded.file.source;
  const source = { filename: name, data: Buffer.from(text), language: "Dockerfile" };
  const multi = argumentOptions(settings).multiPlatform;
  const refs = await Promise.all(compiled.map((each) => refOf(each, source, request.loading)));
  return resultOfCompiled(compiled, { multi, refs });
}

/** Returns the graph that was compiled for a platform, after the policies of the build were applied to its sources. */
async function refOf(compiled: CompileResult, source: VertexSource, loading: GraphLoading): Promise<ResultRef> {
  const sources = sourcesOf(compiled, source);
  if (loading.applyPolicy === undefined || compiled.edge === undefined) return { edge: compiled.edge, sources };
  const { edge, original } = await loadGraph(definitionOf(compiled.edge), loading);
  return { edge, sources: (vertex) => sources(original.get(vertex) ?? vertex) };
}

/** Returns the lines of the instructions that each vertex was compiled from. */
function sourcesOf({ sources }: CompileResult, source: VertexSource): VertexSources {
  return (vertex) => (sources.get(vertex) ?? []).map((range) => ({ source, ranges: lineRanges(range) }));
}
