import { type Digest, type Platform, hostPlatform, isVarveError } from "../core/index.ts";
import type { LintWarning, SourceFile } from "../dockerfile/index.ts";
import { type CompileOptions, type CompileResult, compileDockerfile } from "../frontend/index.ts";
import { tracedHost } from "./attest/request-trace.ts";
import { type OpenedContext, edgeDirectory, namedContexts, openContext, subContext } from "./context/contexts.ts";
import {
  type DockerfileHost,
  type FoundDockerfile,
  type LoadedDockerfile,
  findDockerfile,
  parseFound,
} from "./context/dockerfile.ts";
import { type ForeignFrontend, foreignFrontend, unreadable } from "./foreign/choice.ts";
import { type ArgumentOptions, argumentOptions, unknownArguments } from "./options/build-arguments.ts";
import type { CompileSettings } from "./options/compile-settings.ts";
import { linuxResources } from "./options/resources.ts";
import type { Progress } from "./progress/progress.ts";
import type { Session } from "./session.ts";

/** A build whose context is open and whose Dockerfile was read. Nothing is known of the language of the Dockerfile. */
export interface OpenedBuild {
  readonly context: OpenedContext;
  readonly found: FoundDockerfile;
  /** The front end that the build or the Dockerfile names, if it has to run as an image. */
  readonly foreign: ForeignFrontend | undefined;
}

/** A parsed Dockerfile with the options to compile it. */
export interface LoadedBuild extends LoadedDockerfile {
  readonly options: CompileOptions;
}

/** Opens the context and reads the Dockerfile. */
export async function openBuild(
  settings: CompileSettings,
  session: Session,
  stack: AsyncDisposableStack,
): Promise<OpenedBuild> {
  const asked = argumentOptions(settings);
  const context = subContext(
    await openContext(settings.context, asked, session, stack),
    settings.contextSubdir,
    session,
  );
  const given = settings.dockerfile;
  const dockerfile = given?.kind === "client" ? given : (context.dockerfile ?? given);
  traceContext(settings, context, dockerfile);
  const isRemote = context.main.kind !== "local";
  const clientContext = settings.context.kind === "client" ? settings.context.name : undefined;
  const host = dockerfileHost(session);
  const found = await findDockerfile(context.directory, dockerfile, host, { stack, isRemote, clientContext });
  return { context, found, foreign: foreignFrontend(found, settings) };
}

/**
 * Parses the Dockerfile of a build. If the Dockerfile is wrong, lint warnings of the parser are reported; with `warnings`, they are added
 * to this list instead, also if the Dockerfile is right.
 */
export async function parseBuild(
  { context, found }: OpenedBuild,
  settings: CompileSettings,
  session: Session,
  warnings?: LintWarning[],
): Promise<LoadedBuild> {
  const asked = argumentOptions(settings);
  const lint = asked.lint === undefined ? {} : { lint: asked.lint };
  const loaded = await reportingWarnings(session, warnings, (list) => parseFound(found, { warnings: list, ...lint }));
  for (const text of unknownArguments(settings, loaded.file)) session.progress.warn(text);
  const main = context.main.kind === "local" ? { ...context.main, exclude: loaded.exclude } : context.main;
  return { ...loaded, options: await compileOptions(settings, asked, session, main) };
}

/**
 * Opens and parses a build for something that only the built-in front end does.
 *
 * @throws {VarveError} `unsupported` if another front end has to run, besides what `openBuild` and `parseBuild` throw.
 */
export async function loadBuild(
  settings: CompileSettings,
  session: Session,
  stack: AsyncDisposableStack,
  warnings?: LintWarning[],
): Promise<LoadedBuild> {
  const opened = await openBuild(settings, session, stack);
  if (opened.foreign !== undefined) throw unreadable(opened.foreign);
  return await parseBuild(opened, settings, session, warnings);
}

/** Names of local sources in BuildKit's clients. */
const LOCAL = { context: "context", dockerfile: "dockerfile" } as const;

/** Adds the contexts that loading a build reads to the trace. */
function traceContext(
  { trace }: CompileSettings,
  { main, directory }: OpenedContext,
  dockerfile: CompileSettings["dockerfile"],
): void {
  if (trace === undefined) return;
  const origin = main.kind === "local" ? main.origin : undefined;
  if (main.kind === "state") trace.addEdge(main.state.edge);
  else trace.addLocal(main.name ?? LOCAL.context);
  if (origin !== undefined) {
    trace.addEdge(origin);
    trace.addCopy(LOCAL.context);
  }
  if (dockerfile?.kind === "graph") trace.addEdge(dockerfile.edge);
  else if (dockerfile?.kind === "client") trace.addLocal(dockerfile.name);
  else if (main.kind === "local" && origin === undefined && directory !== undefined) trace.addLocal(LOCAL.dockerfile);
}

/** Runs `load`. If it fails because of the Dockerfile, reports the warnings that it has found before. */
async function reportingWarnings<T>(
  { progress }: Session,
  given: LintWarning[] | undefined,
  load: (warnings: LintWarning[]) => Promise<T>,
): Promise<T> {
  const warnings = given ?? [];
  try {
    return await load(warnings);
  } catch (error) {
    const { location, sourceText: text } = isVarveError(error) ? error.details : {};
    if (given === undefined && location !== undefined && text !== undefined)
      for (const warning of warnings) warn({ name: location.file, text }, warning, progress);
    throw error;
  }
}

function dockerfileHost(session: Session): DockerfileHost {
  const { progress, locals } = session;
  return { progress, locals, openEdge: async (edge, stack) => await edgeDirectory(edge, session, stack) };
}

/** Compiles for all platforms. Reports lint warnings even if it throws, but only once, because they are the same for all platforms. */
export async function compileAll(
  loaded: LoadedBuild,
  { platforms: given = [], trace }: Pick<CompileSettings, "platforms" | "trace">,
  session: Session,
): Promise<CompileResult[]> {
  const host = tracedHost(session.host, trace);
  const platforms: readonly (Platform | undefined)[] = given.length === 0 ? [undefined] : given;
  const warnings: LintWarning[] = [];
  const compile = (platform: Platform | undefined, index: number): Promise<CompileResult> => {
    const own = {
      targetPlatform: platform,
      ...(index === 0 ? { warnings } : {}),
    };
    return compileDockerfile(loaded.file, { ...loaded.options, ...own }, host, session.hold.signal);
  };
  try {
    return await Promise.all(platforms.map(compile));
  } finally {
    for (const warning of warnings) warn(loaded.file.source, warning, session.progress, loaded.vertex);
  }
}

async function compileOptions(
  settings: CompileSettings,
  { multiPlatform, hostname, cacheNamespace, lint }: ArgumentOptions,
  session: Session,
  context: NonNullable<CompileOptions["context"]>,
): Promise<CompileOptions> {
  const resources = linuxResources(settings.resources);
  const epoch = settings.sourceDateEpoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(settings.sourceDateEpoch) };
  return {
    context,
    buildPlatform: hostPlatform(),
    buildArgs: new Map(Object.entries({ ...settings.buildArgs, ...epoch })),
    labels: new Map(Object.entries(settings.labels ?? {})),
    namedContexts: new Map([
      ...(await namedContexts(settings.buildContexts ?? {}, session)),
      ...(settings.namedContexts ?? []),
    ]),
    noCache: Array.isArray(settings.noCache) && settings.noCache.length === 0 ? false : (settings.noCache ?? false),
    sessionId: settings.sessionId ?? session.id,
    multiPlatform,
    hostname: hostname ?? settings.hostname,
    cacheNamespace,
    lint,
    target: settings.target,
    resolveMode: settings.resolveMode ?? (settings.pull === true ? "pull" : undefined),
    extraHosts: settings.extraHosts,
    ulimits: settings.ulimits,
    shmSize: settings.shmSize,
    cgroupParent: settings.cgroupParent,
    linuxResources: resources,
    network: settings.network,
  };
}

function warn(
  file: Pick<SourceFile, "name" | "text">,
  { rule, message, description, url, range }: LintWarning,
  progress: Progress,
  vertex?: Digest,
): void {
  const { name, text } = file;
  progress.warn(`${rule}: ${message}`, {
    vertex,
    url,
    detail: [description],
    location: { file: name, line: range.start.line },
    source: { name, text, ranges: [range] },
  });
}
