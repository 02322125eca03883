import {
  type Platform,
  VarveError,
  formatPlatform,
  hostPlatform,
  parseReference,
  withDefaultTag,
} from "../core/index.ts";
import type { ExportPlatform, ExportSource } from "../export/index.ts";
import { type CompileOptions, type CompileResult, compileDockerfile } from "../frontend/index.ts";
import { absolutePaths } from "./options/absolute-paths.ts";
import { exportCaches, exportFailed, readCacheExports } from "./cache/exports.ts";
import { type ArgumentOptions, argumentOptions, unknownArguments } from "./options/build-arguments.ts";
import { checkImports } from "./cache/imports.ts";
import { namedContexts, openContext } from "./context/contexts.ts";
import type { LintWarning } from "../dockerfile/index.ts";
import type { CacheExport } from "../remotecache/index.ts";
import { type LoadedDockerfile, loadDockerfile } from "./context/dockerfile.ts";
import { type Origin, buildFailure } from "./failure.ts";
import { allowedEntitlements, checkEntitlements } from "./options/entitlements.ts";
import { pruneIgnoredMounts } from "./context/ignored-mounts.ts";
import { retryIfDamaged } from "./store/restore.ts";
import type { Result } from "./ops/result.ts";
import type { BuildOptions, BuildResult, CacheReport } from "./options/options.ts";
import { linuxResources } from "./options/resources.ts";
import { type ExportReport, exportOutputs } from "./outputs.ts";
import { Session } from "./session.ts";

/**
 * Builds a Dockerfile. No mount, process or temporary file of the build is left when the promise settles.
 *
 * @throws {VarveError} `invalid-argument` for options that cannot be used; `invalid-build` for an invalid Dockerfile or context;
 * `step-failed` if a step fails; `remote`, `unauthorized` or `not-found` for registries and other servers; `unsupported` if the
 * machine or Varve lacks something; `storage` for the store; `cancelled` if it is aborted.
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  return await runBuild(absolutePaths(options));
}

async function runBuild(options: BuildOptions): Promise<BuildResult> {
  checkOptions(options);
  const caches = await readCacheExports(withInlineCache(options));
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await Session.open(options));
  try {
    const solved = await solveBuild(options, session, stack);
    const exported = await exportSolved(solved, caches, options, session);
    return resultOf(exported, await exportCaches(caches, options, session), session);
  } catch (error) {
    if (session.isUnfinished) await exportFailed(caches, options, session);
    throw error;
  }
}

/** Exports results. If the files of a cached result are missing, solves again without it, until no cached result is unreadable. */
async function exportSolved(
  { compiled, results }: Solved,
  caches: readonly CacheExport[],
  options: BuildOptions,
  session: Session,
): Promise<ExportReport> {
  session.finish();
  try {
    const inline = caches.some(({ type }) => type === "inline");
    const source = sourceOf(options, compiled, results);
    return await retryIfDamaged(
      () => exportOutputs(source, { inline }, options, session),
      ({ message }) => session.progress.warn(message),
    );
  } catch (error) {
    if (!(await session.rollBack(error))) throw error;
    const again = await session.solve(compiled.map((result) => result.edge));
    return await exportSolved({ compiled, results: again }, caches, options, session);
  }
}

interface Solved {
  readonly compiled: readonly CompileResult[];
  readonly results: readonly Result[];
}

/** Loads, compiles and solves a build. Errors have a position in the Dockerfile where there is one. */
async function solveBuild(options: BuildOptions, session: Session, stack: AsyncDisposableStack): Promise<Solved> {
  let origin: Origin | undefined;
  try {
    const loaded = await loadBuild(options, session, stack);
    const compiled = await compileAll(loaded, options, session);
    origin = { file: loaded.file.source, compiled };
    const edges = compiled.map((result) => result.edge);
    const there = edges.filter((edge) => edge !== undefined);
    checkEntitlements(there, allowedEntitlements(options));
    await pruneIgnoredMounts(there, session.store.cacheMounts);
    return { compiled, results: await session.solve(edges) };
  } catch (error) {
    throw buildFailure(error, origin);
  }
}

function warn({ file }: LoadedBuild, warnings: readonly LintWarning[], { progress }: Session): void {
  for (const warning of warnings) {
    progress.warn(`${warning.rule}: ${warning.message}`, {
      url: warning.url,
      location: { file: file.source.name, line: warning.range.start.line },
    });
  }
}

/** A parsed Dockerfile with the options to compile it. */
export interface LoadedBuild extends LoadedDockerfile {
  readonly options: CompileOptions;
}

/** Opens the context and loads the Dockerfile. Adds lint warnings of the parser to `warnings`, even if it throws. */
export async function loadBuild(
  options: BuildOptions,
  session: Session,
  stack: AsyncDisposableStack,
  warnings: LintWarning[] = [],
): Promise<LoadedBuild> {
  const asked = argumentOptions(options);
  const context = await openContext(options.context, asked, session, stack);
  const { progress } = session;
  const dockerfile = context.dockerfile ?? options.dockerfile;
  const isRemote = context.main.kind !== "local";
  const lint = asked.lint === undefined ? {} : { lint: asked.lint };
  const loaded = await loadDockerfile(context.directory, dockerfile, progress, { warnings, isRemote, ...lint });
  for (const text of unknownArguments(options, loaded.file)) progress.warn(text);
  const main = context.main.kind === "local" ? { ...context.main, exclude: loaded.exclude } : context.main;
  return { ...loaded, options: await compileOptions(options, asked, session, main) };
}

/** Compiles for all platforms. Reports lint warnings even if it throws, but only once, because they are the same for all platforms. */
async function compileAll(loaded: LoadedBuild, options: BuildOptions, session: Session): Promise<CompileResult[]> {
  const platforms: readonly (Platform | undefined)[] =
    options.platforms === undefined || options.platforms.length === 0 ? [undefined] : options.platforms;
  const warnings: LintWarning[] = [];
  const compile = (platform: Platform | undefined, index: number): Promise<CompileResult> => {
    const own = {
      targetPlatform: platform,
      ...(index === 0 ? { warnings } : {}),
    };
    return compileDockerfile(loaded.file, { ...loaded.options, ...own }, session.host, options.signal);
  };
  try {
    return await Promise.all(platforms.map(compile));
  } finally {
    warn(loaded, warnings, session);
  }
}

async function compileOptions(
  options: BuildOptions,
  { multiPlatform, hostname, cacheNamespace, lint }: ArgumentOptions,
  session: Session,
  context: NonNullable<CompileOptions["context"]>,
): Promise<CompileOptions> {
  const resources = linuxResources(options.resources);
  const epoch = options.sourceDateEpoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(options.sourceDateEpoch) };
  return {
    context,
    buildPlatform: hostPlatform(),
    buildArgs: new Map(Object.entries({ ...options.buildArgs, ...epoch })),
    labels: new Map(Object.entries(options.labels ?? {})),
    namedContexts: await namedContexts(options.buildContexts ?? {}, session),
    noCache: Array.isArray(options.noCache) && options.noCache.length === 0 ? false : (options.noCache ?? false),
    sessionId: session.id,
    multiPlatform,
    hostname,
    cacheNamespace,
    lint,
    target: options.target,
    ...(options.pull === true ? { resolveMode: "pull" as const } : {}),
    extraHosts: options.extraHosts,
    ulimits: options.ulimits,
    shmSize: options.shmSize,
    cgroupParent: options.cgroupParent,
    linuxResources: resources,
    network: options.network,
  };
}

function sourceOf(options: BuildOptions, compiled: readonly CompileResult[], results: readonly Result[]): ExportSource {
  const platforms = compiled.map(({ platform, image, baseImage }, index): ExportPlatform => {
    const result = results[index];
    if (result?.kind !== "record") throw new VarveError("internal", "Cannot export: the result is not a record");
    return {
      platform,
      record: result.id,
      config: json(image),
      ...(baseImage === undefined ? {} : { base: json(baseImage) }),
    };
  });
  return {
    platforms,
    multi: argumentOptions(options).multiPlatform,
    names: (options.tags ?? []).map((tag) => withDefaultTag(parseReference(tag))),
    epoch: compiled[0]?.epoch,
  };
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function resultOf(exported: ExportReport, caches: readonly CacheReport[], session: Session): BuildResult {
  const steps = session.progress.steps();
  const written = caches.find(({ descriptor }) => descriptor !== undefined);
  return {
    ...exported,
    steps,
    caches,
    metadata: {
      ...exported.metadata,
      ...(written === undefined ? {} : { "cache.manifest": written.descriptor }),
      ...(caches.length === 0 ? {} : { "varve.caches": caches }),
      "varve.build.ref": session.id,
      "varve.steps": steps,
    },
  };
}

/** Adds an inline cache export if the build argument BUILDKIT_INLINE_CACHE is set. */
function withInlineCache(options: BuildOptions): BuildOptions {
  const { cacheTo = [] } = options;
  if (!argumentOptions(options).inlineCache || cacheTo.some(({ type }) => type === "inline")) return options;
  return { ...options, cacheTo: [...cacheTo, { type: "inline", attrs: {} }] };
}

/** Checks options that can be checked before the store is used. Throws `unsupported` or `invalid-argument`. */
function checkOptions(options: BuildOptions): void {
  argumentOptions(options);
  allowedEntitlements(options);
  linuxResources(options.resources);
  for (const tag of options.tags ?? []) parseReference(tag);
  checkImports(options.cacheFrom ?? []);
  for (const platform of options.platforms ?? []) {
    if (platform.os !== "linux")
      throw new VarveError(
        "unsupported",
        `Cannot build for ${formatPlatform(platform)}: only Linux images can be built`,
      );
  }
}
