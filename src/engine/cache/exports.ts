import { type Hold, type LayerBlob, type RemoteLayer, stepOfLayers } from "../../record/index.ts";
import { formatPlatform, formatReference, hostPlatform, isVarveError, messageOf } from "../../core/index.ts";
import type {
  CacheExport,
  CacheTarget,
  CloudExport,
  ExportCompression,
  ExportStage,
  ExportedGraph,
  KeyPlaces,
  LayersOf,
  ResultOptions,
  RegistryExport,
  ScopeFacts,
} from "../../remotecache/index.ts";
import { inParallel } from "../../io/index.ts";
import { retryIfDamaged } from "../store/restore.ts";
import type { Result } from "../ops/result.ts";
import type { BuildSettings, CacheReport } from "../options/options.ts";
import type { OnTransfer } from "../../registry/index.ts";
import type { ClientCaches } from "../client/client.ts";
import type { Session } from "../session.ts";
import type { CloudCaches } from "../store/cloud-caches.ts";
import type { Store } from "../store/store.ts";
import { transferStatuses, waitReporter } from "../progress/transfers.ts";

export type DocumentExport = Exclude<CacheExport, { readonly type: "inline" }>;

/**
 * Parses the cache exports of a build and reads their keys, before anything is built.
 *
 * @throws {VarveError} `invalid-argument` for wrong attributes.
 */
export async function readCacheExports(
  { cacheTo = [] }: Pick<BuildSettings, "cacheTo">,
  places: KeyPlaces,
): Promise<readonly CacheExport[]> {
  if (cacheTo.length === 0) return [];
  const { parseCacheExports, signedExport } = await import("../../remotecache/index.ts");
  return await Promise.all(parseCacheExports(cacheTo).map((target) => signedExport(target, places)));
}

/**
 * Makes sure before a build that the stores in clouds that its cache goes to can be written, as far as they can tell.
 *
 * @throws {VarveError} `invalid-argument`; and with `ignore-error=false` what a store throws that cannot be written.
 */
export async function prepareExports(
  exports: readonly CacheExport[],
  { store, hold }: Pick<Session, "store" | "hold">,
): Promise<void> {
  await inParallel(exports.filter(isCloudExport), hold.signal, async ({ cache, ignoreError }, signal) => {
    try {
      await (await store.clouds.of(cache)).prepare({ signal });
    } catch (error) {
      // The export will fail, and be a warning.
      if (!ignoreError || isVarveError(error, "invalid-argument")) throw error;
    }
  });
}

/**
 * Writes the cache of a build to all targets concurrently, and returns a report of each. When all have ended, throws the first error
 * of a target with `ignore-error=false`.
 */
export async function exportCaches(
  exports: readonly CacheExport[],
  scope: ScopeFacts,
  session: Session,
  stage: ExportStage["kind"] = "complete",
): Promise<CacheReport[]> {
  const written = exports.filter((target) => target.type !== "inline");
  const settled = await Promise.allSettled(written.map((target) => exportCache(target, { scope, session, stage })));
  return written.map((target, index): CacheReport => {
    const outcome = settled[index];
    if (outcome?.status === "fulfilled") return outcome.value;
    if (!target.ignoreError) throw outcome?.reason;
    const error = messageOf(outcome?.reason);
    session.progress.warn(`the cache was not exported to ${nameOf(target)}: ${error}`);
    return { type: target.type, name: nameOf(target), error };
  });
}

/** Exports the steps of a failed build that succeeded. Errors become warnings. */
export async function exportFailed(
  exports: readonly CacheExport[],
  scope: ScopeFacts,
  session: Session,
): Promise<void> {
  const wanted = exports.filter((target) => target.type !== "inline" && target.onFailure);
  if (wanted.length === 0 || session.hold.signal?.aborted === true) return;
  await exportCaches(
    wanted.map((target) => ({ ...target, ignoreError: true })),
    scope,
    session,
    "failed",
  );
}

interface Exporting {
  readonly scope: ScopeFacts;
  readonly session: Session;
  readonly stage: ExportStage["kind"];
}

async function exportCache(target: DocumentExport, exporting: Exporting): Promise<CacheReport> {
  return await retryIfDamaged(
    () => exportOnce(target, exporting),
    ({ message }) => exporting.session.progress.warn(message),
  );
}

/** Returns what a build has made so far, as a target wants it. */
export async function exportedGraph(
  { mode, compression, explain }: DocumentExport,
  { solved, hold, id, store }: Session,
  { stage, layersOf: layers }: { readonly stage: ExportStage["kind"]; readonly layersOf: LayersOf<Result> },
): Promise<ExportedGraph> {
  const { exportGraph } = await import("../../remotecache/index.ts");
  const exported = await exportGraph(solved, {
    mode,
    layersOf: layers,
    stepName: stepOfLayers,
    omitLayerTimes: compression.force,
    noteOf: explain ? await noteFinder(store) : undefined,
    signal: hold.signal,
  });
  return { ...exported, stage: { kind: stage, build: id } };
}

/** Returns the scope of an export. */
export async function scopeName({ scope }: DocumentExport, facts: ScopeFacts): Promise<string> {
  const { defaultScope } = await import("../../remotecache/index.ts");
  return scope ?? defaultScope(facts);
}

/** What BuildKit's progress calls an export. */
const EXPORTING: Readonly<Record<DocumentExport["type"], string>> = {
  registry: "exporting cache to registry",
  local: "exporting cache to client directory",
  s3: "exporting cache to Amazon S3",
  azblob: "exporting cache to Azure Blob Storage",
  gha: "exporting to GitHub Actions Cache",
};

async function exportOnce(target: DocumentExport, { scope, session, stage }: Exporting): Promise<CacheReport> {
  return await session.progress.activity(EXPORTING[target.type], async (activity) => {
    const exported = await activity.part("preparing build cache for export", async () =>
      exportedGraph(target, session, {
        stage,
        layersOf: layersOf(session.store, session.hold, target.compression),
      }),
    );
    const writer = await scopeName(target, scope);
    const status = transferStatuses();
    const to = await targetOf(target, {
      store: session.store,
      registry: session.registry,
      clouds: session.store.clouds,
      client: session.clientCaches,
      warn: (message) => session.progress.warnOnce(message),
      onTransfer: (event) => activity.report({ kind: "progress", ...status(event) }),
    });
    const descriptor = await activity.part(`writing cache to ${nameOf(target)}`, () =>
      to.write(exported, writer, { ...session.hold, onWait: waitReporter((line) => activity.report(line)) }),
    );
    const written = descriptor === undefined ? {} : { descriptor };
    return { type: target.type, name: nameOf(target), ...written };
  });
}

/**
 * Returns a function that returns the layers of a cached result. With `create`, it creates or converts missing blobs. Without, it
 * returns undefined if a blob in the wanted compression does not exist.
 */
export function layersOf(
  { records }: Pick<Store, "records">,
  hold: Hold,
  { compression, force, level }: Partial<ExportCompression>,
): LayersOf<Result> {
  const how = { compression, level, force };
  return async (record, { create }): Promise<readonly LayerBlob[] | undefined> => {
    const result = await record.cache.load(record, { signal: hold.signal });
    if (result.kind !== "record") return undefined;
    return create ? await records.blobs(result.id, how, hold) : records.existingBlobs(result.id, how, hold);
  };
}

/** Returns a function that finds what is known of the steps of records, and of what they have read. */
export async function noteFinder(
  store: Pick<Store, "records" | "state">,
): Promise<NonNullable<ResultOptions<Result>["noteOf"]>> {
  const [{ stepNotes }, { runNotes }] = await Promise.all([
    import("../explain/step-notes.ts"),
    import("../traced/run-notes.ts"),
  ]);
  const [factsOf, traceOf] = [stepNotes(store), runNotes(store)];
  return async (record, result) => {
    const [facts, trace] = [factsOf(record, result), await traceOf(record, result)];
    if (trace === undefined) return facts;
    return { ...(facts ?? { text: new Uint8Array(), parts: [] }), trace };
  };
}

export interface TargetDeps {
  readonly store: Pick<Store, "content" | "records">;
  /** Returns the client of registries to write with. */
  readonly registry: Store["registry"];
  readonly clouds: CloudCaches;
  /** The client's directories with caches, if they are not on this machine. */
  readonly client?: ClientCaches | undefined;
  readonly warn: (message: string) => void;
  readonly onTransfer?: OnTransfer | undefined;
}

/** Returns the target that a cache is written to. */
export async function targetOf(
  target: DocumentExport,
  { store, registry: open, clouds, client, warn, onTransfer: onEvent }: TargetDeps,
): Promise<CacheTarget> {
  const { containerForm, layoutTarget, registryTarget, storeTarget } = await import("../../remotecache/index.ts");
  const shared = {
    form: containerForm(target.container),
    source: layerSource(store),
    reset: target.reset,
    noted: target.explain,
    signer: target.signer,
    grace: target.grace,
    warn,
  };
  if (isCloudExport(target)) return (await clouds.of(target.cache)).target({ ...shared, onEvent });
  if (target.type === "local" && client !== undefined)
    return storeTarget({ ...shared, store: client.store(target.directory) });
  if (target.type === "local") {
    const { directory, tag } = target;
    return layoutTarget({ ...shared, directory, tag });
  }
  const registry = await openRegistry(target, { registry: open });
  return registryTarget({ ...shared, registry, reference: target.reference, onEvent });
}

export async function openRegistry(
  { reference, insecure }: Pick<RegistryExport, "reference" | "insecure">,
  store: Pick<Store, "registry">,
): ReturnType<Store["registry"]> {
  const registry = await store.registry();
  if (insecure) registry.allowInsecure(reference.registry);
  return registry;
}

/** Returns a function that reads a layer from the content store, and fetches it first if it was never pulled. */
function layerSource({ content, records }: Pick<Store, "content" | "records">) {
  return async function* source(layer: RemoteLayer, offset: number, hold: Hold): AsyncGenerator<Uint8Array> {
    await records.snapshots.fetch(layer, hold);
    yield* content.open(layer.digest, { offset, signal: hold.signal });
  };
}

/** Returns what identifies the records of a build in a cache with several writers. */
export function scopeFacts(options: BuildSettings): ScopeFacts {
  const { dockerfile, target, platforms = [hostPlatform()], buildArgs = {} } = options;
  const name = dockerfile === undefined ? "" : dockerfile.kind === "text" ? (dockerfile.name ?? "") : dockerfile.path;
  return { dockerfile: name, target, platforms: platforms.map(formatPlatform), buildArgs };
}

/** Returns the cache to embed in the config of an image with these layers. `index` is the position of its target in `solved`. */
export async function inlineCacheOf(
  index: number,
  layers: readonly LayerBlob[],
  { solved: all, store, hold }: Session,
): Promise<Uint8Array | undefined> {
  const solved = all[index];
  if (solved === undefined) return undefined;
  const { inlineCache } = await import("../../remotecache/index.ts");
  const blobs = layers.map(({ diffId, descriptor }) => ({ digest: descriptor.digest, diffId }));
  return await inlineCache(solved, blobs, { layersOf: layersOf(store, hold, {}), signal: hold.signal });
}

/** True for an export to a store in a cloud. */
function isCloudExport(target: CacheExport): target is CloudExport {
  return "cache" in target;
}

export function nameOf(target: DocumentExport): string {
  if (isCloudExport(target)) return target.cache.name;
  return target.type === "local" ? `${target.directory}:${target.tag}` : formatReference(target.reference);
}
