import { VarveError, formatPlatform, parseReference, redact, withDefaultTag } from "../core/index.ts";
import type { ExportPlatform, ExportSource, StreamSink } from "../export/index.ts";
import type { Dockerfile } from "../dockerfile/index.ts";
import type { CompileResult } from "../frontend/index.ts";
import { type Hold, type RecordId, SCRATCH } from "../record/index.ts";
import type { Attesting } from "./attest/attesting.ts";
import { absolutePaths } from "./options/absolute-paths.ts";
import { exportCaches, exportFailed, prepareExports, readCacheExports, scopeFacts } from "./cache/exports.ts";
import { EagerExports } from "./cache/eager-exports.ts";
import { LocalClient, type ServedClient } from "./client/local-client.ts";
import { argumentOptions } from "./options/build-arguments.ts";
import { checkImports } from "./cache/imports.ts";
import { type OpenedBuild, compileAll, openBuild, parseBuild } from "./compile.ts";
import { type PlaceOf, buildFailure, placesOf } from "./failure.ts";
import type { ForeignFrontends } from "./foreign/port.ts";
import type { CompileSettings } from "./options/compile-settings.ts";
import { allowedEntitlements } from "./options/entitlements.ts";
import { type BuildTargets, exportTargets } from "./targets.ts";
import type { Result } from "./ops/result.ts";
import type { BuildOptions, BuildResult, CacheReport } from "./options/options.ts";
import { linuxResources } from "./options/resources.ts";
import { type BuildOutput, type ExportReport, blobsFor } from "./outputs.ts";
import { Progress } from "./progress/progress.ts";
import { Session } from "./session.ts";

/**
 * Builds a Dockerfile. No mount, process or temporary file of the build is left when the promise settles.
 *
 * @throws {VarveError} `invalid-argument` for options that cannot be used; `invalid-build` for an invalid Dockerfile or context;
 * `step-failed` if a step fails; `remote`, `unauthorized` or `not-found` for registries and other servers; `unsupported` if the
 * machine or Varve lacks something; `storage` for the store; `cancelled` if it is aborted.
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  return await runBuild(absolutePaths(options), {});
}

/** What a server adds to a build that it runs for a client. */
export interface ServedBuild extends ServedClient {
  /** The ID of the build. Default: a random one. */
  readonly ref?: string | undefined;
  /** Receives outputs whose destination is `-`. Default: standard output of this process. */
  readonly stdout?: StreamSink | undefined;
  /** Called with the Dockerfile and what it was compiled to, before anything is solved. Must not throw. */
  readonly onCompiled?: ((file: Dockerfile, compiled: readonly CompileResult[]) => void) | undefined;
  /** Runs front ends that are images. Default: a build whose Dockerfile needs one is an error. */
  readonly frontends?: ForeignFrontends | undefined;
  /** Called when all outputs are written, while the leases of the build keep them. */
  readonly onExported?: ((exported: ExportReport, hold: Hold) => Promise<void>) | undefined;
}

/** Builds as `build` does, for a client of a server. Paths are absolute. Throws the same errors. */
export async function serveBuild(options: BuildOptions, served: ServedBuild): Promise<BuildResult> {
  return await runBuild(options, served);
}

async function runBuild(options: BuildOptions, served: ServedBuild): Promise<BuildResult> {
  checkOptions(options);
  const caches = await readCacheExports(withInlineCache(options), { machine: true });
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openLocalSession(options, stack, served));
  await prepareExports(caches, session);
  const scope = scopeFacts(options);
  const eager = stack.use(
    new EagerExports(caches, { scope, session, outputs: options.outputs ?? [{ type: "image" }] }),
  );
  try {
    const attesting = await openAttesting(options, session);
    if (attesting?.provenance !== undefined) stack.use(attesting.provenance.maker);
    const { trace } = attesting ?? {};
    const { targets, results } = await solveBuild({ ...options, trace }, session, { ...served, stack, attesting });
    session.finish();
    const inline = caches.some(({ type }) => type === "inline");
    const outputs = toSink(options.outputs, served.stdout);
    const exported = await exportTargets(targets, results, { ...options, ...attesting, outputs, inline }, session);
    await served.onExported?.(exported, session.hold);
    await eager.stop();
    return resultOf(exported, await exportCaches(caches, scope, session), session);
  } catch (error) {
    await eager.stop();
    if (session.isUnfinished) await exportFailed(caches, scope, session);
    throw error;
  }
}

/** Replaces `-` by a sink, for the outputs that can be a stream. */
function toSink(outputs: BuildOptions["outputs"], sink: StreamSink | undefined): readonly BuildOutput[] | undefined {
  return outputs?.map((output): BuildOutput => {
    const { type, dest, attrs = {} } = output;
    if (sink === undefined || dest !== "-") return output;
    if (type === "tar") return { type, attrs, dest: sink };
    return type === "oci" || type === "docker" ? { type, attrs, dest: sink } : output;
  });
}

/** Opens a session for a build that this process started. The client ends when `stack` is disposed of. */
export async function openLocalSession(
  options: BuildOptions,
  stack: AsyncDisposableStack,
  served: Pick<ServedBuild, "ref" | keyof ServedClient> = {},
): Promise<Session> {
  const progress = new Progress(options.onEvent);
  const client = stack.use(await LocalClient.open(options, (message) => progress.warn(message), served));
  return await Session.open({
    ...options,
    client,
    progress,
    ref: served.ref,
    allowed: allowedEntitlements(options),
    project: () => served.project ?? projectOf(options),
    hints: served.project === undefined,
  });
}

/** Returns what identifies the project that is built: where its context and its Dockerfile are. */
function projectOf({ context, dockerfile }: BuildOptions): string {
  const place = context.kind === "directory" ? context.path : context.kind === "url" ? context.url : "";
  const file = dockerfile === undefined || dockerfile.kind === "text" ? (dockerfile?.name ?? "") : dockerfile.path;
  return redact(JSON.stringify([context.kind, place, file]));
}

/** Returns what makes the attestations of a build; undefined if it asks for none. */
async function openAttesting(options: BuildOptions, session: Session): Promise<Attesting | undefined> {
  const isAsked = (options.attestations ?? []).length > 0 || argumentOptions(options).attests === true;
  if (!isAsked) return undefined;
  const { openAttesting: open } = await import("./attest/attesting.ts");
  return await open(options, session);
}

interface Solved {
  readonly targets: BuildTargets;
  /** One for each edge of the targets. */
  readonly results: readonly Result[];
}

interface SolveParts extends Pick<ServedBuild, "onCompiled" | "frontends"> {
  readonly stack: AsyncDisposableStack;
  readonly attesting: Attesting | undefined;
}

interface TargetParts extends SolveParts {
  /** Called when it is known what the vertices were compiled from. */
  readonly onPlaces: (placeOf: PlaceOf) => void;
}

type TracedOptions = BuildOptions & Pick<CompileSettings, "trace">;

/** Loads, compiles and solves a build. Errors have a position in the Dockerfile where there is one. */
async function solveBuild(options: TracedOptions, session: Session, parts: SolveParts): Promise<Solved> {
  let placeOf: PlaceOf | undefined;
  const onPlaces = (found: PlaceOf): void => void (placeOf = found);
  try {
    const opened = await openBuild(options, session, parts.stack);
    const targets =
      opened.foreign === undefined
        ? await compileTargets(opened, options, session, { ...parts, onPlaces })
        : await foreignTargets(opened, options, session, { ...parts, onPlaces });
    return { targets, results: await session.solve(targets.edges, await blobsFor(options.outputs)) };
  } catch (error) {
    throw buildFailure(error, placeOf);
  }
}

/** Compiles a Dockerfile. The edges are those of the results, then those of their scans. */
async function compileTargets(
  opened: OpenedBuild,
  options: TracedOptions,
  session: Session,
  { onCompiled, attesting, onPlaces }: TargetParts,
): Promise<BuildTargets> {
  const loaded = await parseBuild(opened, options, session);
  const compiled = await compileAll(loaded, options, session);
  onPlaces(placesOf(loaded.file.source, compiled));
  for (const { origins } of compiled) session.explaining.addOrigins(origins);
  onCompiled?.(loaded.file, compiled);
  return {
    edges: [...compiled.map(({ edge }) => edge), ...(attesting?.scans(compiled) ?? [])],
    source: (records) => sourceOf(options, compiled, { records, attesting }),
    results: attesting?.results(loaded.file, compiled),
  };
}

/** Lets a front end that is an image compile the Dockerfile. */
async function foreignTargets(
  opened: OpenedBuild,
  options: TracedOptions,
  session: Session,
  { stack, attesting, frontends, onPlaces }: TargetParts,
): Promise<BuildTargets> {
  const { runForeign } = await import("./foreign/run-foreign.ts");
  const targets = await runForeign(opened, options, { session, stack, frontends });
  onPlaces(targets.placeOf);
  return {
    edges: targets.edges,
    source: (records) => ({ ...targets.source(records), names: namesOf(options) }),
    results: attesting && targets.results,
  };
}

function namesOf({ tags = [] }: BuildOptions): ExportSource["names"] {
  return tags.map((tag) => withDefaultTag(parseReference(tag)));
}

function sourceOf(
  options: BuildOptions,
  compiled: readonly CompileResult[],
  { records, attesting }: { readonly records: readonly RecordId[]; readonly attesting: Attesting | undefined },
): ExportSource {
  const scanned = attesting?.scanned(compiled, records.slice(compiled.length)) ?? [];
  const platforms = compiled.map(({ platform, image, baseImage }, index): ExportPlatform => ({
    platform,
    record: records[index] ?? SCRATCH,
    config: json(image),
    ...(baseImage === undefined ? {} : { base: json(baseImage) }),
    ...scanned[index],
  }));
  return {
    platforms,
    multi: argumentOptions(options).multiPlatform,
    names: namesOf(options),
    epoch: compiled[0]?.epoch,
  };
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function resultOf(exported: ExportReport, caches: readonly CacheReport[], session: Session): BuildResult {
  const steps = session.progress.steps();
  const { descriptors: _descriptors, ...report } = exported;
  const written = caches.find(({ descriptor }) => descriptor !== undefined);
  return {
    ...report,
    steps,
    caches,
    metadata: {
      ...exported.metadata,
      ...(written === undefined ? {} : { "cache.manifest": written.descriptor }),
      ...(caches.length === 0 ? {} : { "varve.caches": caches }),
      "varve.build.ref": session.ref,
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
