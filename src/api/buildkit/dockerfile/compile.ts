import type { CompileResult } from "../../../frontend/index.ts";
import { type CompileSettings, type Session, argumentOptions, compileAll, loadBuild } from "../../../engine/index.ts";
import { type FrontendResult, resultOfCompiled } from "../result/result.ts";
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
  return resultOfCompiled(compiled, {
    multi: argumentOptions(settings).multiPlatform,
    sources: (each) => sourcesOf(each, source),
  });
}

/** Returns the lines of the instructions that each vertex was compiled from. */
function sourcesOf({ sources }: CompileResult, source: VertexSource): VertexSources {
  return (vertex) => (sources.get(vertex) ?? []).map((range) => ({ source, ranges: lineRanges(range) }));
}
