import type { CompileResult, FrontendImages } from "../../../frontend/index.ts";
import {
  type CompileSettings,
  type OpenedBuild,
  type RequestTrace,
  type Session,
  argumentOptions,
  compileAll,
  dockerfileEdge,
  openBuild,
  parseBuild,
} from "../../../engine/index.ts";
import { isVarveError } from "../../../core/index.ts";
import { type Edge, definitionOf, encodeDefinition } from "../../../llb/index.ts";
import { positionedError } from "../errors/build-error.ts";
import { type GraphLoading, loadGraph } from "../result/definition.ts";
import { type FrontendResult, type ResultRef, resultOfCompiled } from "../result/result.ts";
import type { SourcePosition, VertexSource, VertexSources } from "../result/sources.ts";
import { type Attributes, settingsOf } from "./attributes.ts";
import { scanResults } from "./scan.ts";
import { subrequest } from "./subrequests.ts";
import { type FrontendInputs, contextsOf } from "./contexts.ts";
import { lineRanges } from "../../../dockerfile/index.ts";

/** A request to `dockerfile.v0`, in the session of a build. */
export interface DockerfileRequest {
  readonly attributes: Attributes;
  readonly inputs: FrontendInputs;
  /** An archive or a Dockerfile that is the context, instead of the context that the attributes name. */
  readonly context?: AsyncIterable<Uint8Array> | undefined;
  /** Gets what is read besides the graphs of the results. */
  readonly trace: RequestTrace;
  readonly build: DockerfileBuild;
}

/** What requests to the Dockerfile front end in one build share. */
export interface DockerfileBuild {
  readonly session: Session;
  /** Keeps mounts of contexts until the build ends. */
  readonly stack: AsyncDisposableStack;
  /** How graphs are read. */
  readonly loading: GraphLoading;
  readonly client: { readonly sessionId: string };
  readonly host: { readonly images: FrontendImages };
}

/** A request whose context is open, and whose Dockerfile was read. */
export interface OpenedRequest {
  readonly settings: CompileSettings;
  readonly build: OpenedBuild;
}

/**
 * Returns the settings of a request. Another front end that has passed its request on has read the directives of the Dockerfile, and sent
 * what they say as `cmdline`.
 */
function compileSettings({ attributes, inputs, build, context, trace }: DockerfileRequest): CompileSettings {
  const { client, host, session } = build;
  const contexts = contextsOf(attributes, inputs, (url) => session.uploads.open(url));
  return {
    ...settingsOf(attributes),
    ...contexts,
    ...(context && streamContext(context, attributes)),
    frontendImages: attributes.has("cmdline") ? "never" : host.images,
    sessionId: client.sessionId,
    trace,
  };
}

function streamContext(
  bytes: AsyncIterable<Uint8Array>,
  attributes: Attributes,
): Pick<CompileSettings, "context" | "dockerfile"> {
  const path = attributes.get("filename") || "Dockerfile";
  return { context: { kind: "stream", bytes }, dockerfile: { kind: "context", path } };
}

/**
 * Opens the context of a request and reads its Dockerfile.
 *
 * @throws {VarveError} `invalid-argument` for attributes, `invalid-build` for the context.
 */
export async function openRequest(request: DockerfileRequest): Promise<OpenedRequest> {
  const { session, stack } = request.build;
  const settings = compileSettings(request);
  return { settings, build: await openBuild(settings, session, stack) };
}

/**
 * Compiles a Dockerfile for the platforms that the request names. Runs nothing of it.
 *
 * @throws {GrpcError} with the position as a detail for an error in the Dockerfile.
 */
export async function compileRequest(request: DockerfileRequest, opened: OpenedRequest): Promise<FrontendResult> {
  try {
    return await compileFile(request, opened);
  } catch (error) {
    const position = positionOf(error, request);
    throw position === undefined ? error : positionedError(error, position);
  }
}

/** Answers a question about a Dockerfile. The result has only metadata. */
export async function answerRequest(
  requestId: string,
  { build: { session } }: DockerfileRequest,
  { settings, build }: OpenedRequest,
): Promise<FrontendResult> {
  const metadata = await subrequest(requestId, {
    load: async (warnings) => await parseBuild(build, settings, session, warnings),
    host: session.host,
    signal: session.hold.signal,
  });
  return { refs: { kind: "single", ref: undefined }, metadata };
}

/** Returns the position of an error in the Dockerfile, if it has one. */
function positionOf(error: unknown, request: DockerfileRequest): SourcePosition | undefined {
  const { location, sourceText } = isVarveError(error) ? error.details : {};
  if (location === undefined || sourceText === undefined) return undefined;
  const { file, line, column, endLine, endColumn } = location;
  const range = { start: { line, column }, end: { line: endLine, column: endColumn } };
  return { source: fileOf({ name: file, text: sourceText }, request), ranges: lineRanges(range) };
}

/** Returns the Dockerfile of a request as errors contain it. */
export function fileOf(
  { name, text }: { readonly name: string; readonly text: string },
  request: DockerfileRequest,
): VertexSource {
  const edge = dockerfileGraph(request);
  const definition = edge && encodeDefinition(definitionOf(edge));
  return { filename: name, data: Buffer.from(text), language: "Dockerfile", definition };
}

/** Returns the graph that reads the Dockerfile, if it is in a directory of the client. */
function dockerfileGraph(request: DockerfileRequest): Edge | undefined {
  const { dockerfile } = compileSettings(request);
  if (dockerfile?.kind !== "client") return undefined;
  return dockerfileEdge(dockerfile.name, dockerfile.path, request.build.client.sessionId);
}

async function compileFile(request: DockerfileRequest, { settings, build }: OpenedRequest): Promise<FrontendResult> {
  const { session } = request.build;
  const loaded = await parseBuild(build, settings, session);
  const compiled = await compileAll(loaded, settings, session);
  for (const { origins } of compiled) session.explaining.addOrigins(origins);
  const source = fileOf(loaded.file.source, request);
  const multi = argumentOptions(settings).multiPlatform;
  const refs = await Promise.all(compiled.map((each) => refOf(each, source, request)));
  const scanned = await scanResults(compiled, request.attributes, {
    session,
    trace: request.trace,
    load: (edge) => policed(edge, request),
  });
  return { ...resultOfCompiled(compiled, { multi, refs }), ...scanned };
}

/** Returns the graph that was compiled for a platform, after the policies of the build were applied to its sources. */
async function refOf(
  compiled: CompileResult,
  source: VertexSource,
  { build: { loading }, trace }: DockerfileRequest,
): Promise<ResultRef> {
  const sources = sourcesOf(compiled, source);
  if (loading.applyPolicy === undefined || compiled.edge === undefined) return { edge: compiled.edge, sources, trace };
  const { edge, original } = await loadGraph(definitionOf(compiled.edge), loading);
  return { edge, sources: (vertex) => sources(original.get(vertex) ?? vertex), trace };
}

/** Returns a graph after the policies of the build were applied to its sources. */
async function policed(edge: Edge, { build: { loading } }: DockerfileRequest): Promise<Edge | undefined> {
  return loading.applyPolicy === undefined ? edge : (await loadGraph(definitionOf(edge), loading)).edge;
}

/** Returns the lines of the instructions that each vertex was compiled from. */
function sourcesOf({ sources }: CompileResult, source: VertexSource): VertexSources {
  return (vertex) => (sources.get(vertex) ?? []).map((range) => ({ source, ranges: lineRanges(range) }));
}
