import {
  type Digest,
  VarveError,
  isDigest,
  messageOf,
  parseGoBool,
  parseReference,
  withDefaultTag,
} from "../../core/index.ts";
import type { Lease } from "../../content/index.ts";
import type { OnWait } from "../../io/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { CacheGraph, CacheOrigin, ImportedCache } from "../../remotecache/index.ts";
import { type Result, recordResult } from "../ops/result.ts";
import type { CacheSpec } from "../options/options.ts";
import type { Progress } from "../progress/progress.ts";
import type { ClientCaches } from "../client/client.ts";
import type { Store } from "../store/store.ts";
import { waitReporter } from "../progress/transfers.ts";

export interface ImportDeps {
  readonly store: Store;
  /** Returns the client of registries, with the credentials of the build. */
  readonly registry: Store["registry"];
  /** The client's directories with caches, if they are not on this machine. */
  readonly client: ClientCaches | undefined;
  readonly progress: Progress;
  /** Keeps the records of results that come from a cache. */
  readonly lease: Lease;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds to wait for a cache before it counts as empty. Default: two minutes. */
  readonly patience: number | undefined;
  /** Called with the name of a cache that counts as empty, and the reason. */
  readonly onFailure: (cache: string, reason: string) => void;
}

/** A cache of results that is being imported. A lookup waits until the import has ended. */
export type ResultCache = ImportedCache<Result>;

/** The default of `ImportDeps.patience`, in milliseconds. */
const PATIENCE = 120_000;
/** The attributes that say which cache of a cloud it is, by type. None is a secret. */
const CLOUD_PLACES: ReadonlyMap<string, readonly string[]> = new Map([
  ["azblob", ["account_url", "account_name", "container", "prefix", "manifests_prefix", "blobs_prefix", "name"]],
  ["gha", ["scope"]],
  ["s3", ["endpoint_url", "region", "bucket", "prefix", "manifests_prefix", "blobs_prefix", "name"]],
]);
const DEFAULT_NAME = "buildkit";
/** The attribute that has the location of a cache, by cache type. */
const PLACE: ReadonlyMap<string, string> = new Map([
  ["registry", "ref"],
  ["local", "src"],
]);

/**
 * Checks that every cache to import has a location. Later errors do not fail the build: the cache counts as empty.
 *
 * @throws {VarveError} `invalid-argument` if a location is missing.
 */
export function checkImports(specs: readonly CacheSpec[]): void {
  for (const spec of specs) {
    const name = PLACE.get(spec.type);
    if (name !== undefined && placeOf(spec) === "")
      throw new VarveError("invalid-argument", `Cannot import cache: ${spec.type} cache importer requires ${name}`);
  }
}

/** The caches that a build imports, each once. Disposing of them aborts imports that are still running. */
export class Imports implements AsyncDisposable {
  readonly #deps: ImportDeps;
  readonly #stack = new AsyncDisposableStack();
  readonly #names = new Set<string>();

  constructor(deps: ImportDeps) {
    this.#deps = deps;
  }

  /**
   * Starts to import caches concurrently, and returns those that were not asked for before, in the order of lookup. A cache that cannot
   * be imported counts as empty; its vertex in progress has the error.
   */
  async start(specs: readonly CacheSpec[]): Promise<ResultCache[]> {
    const byName = new Map<string, CacheSpec>();
    for (const spec of specs) {
      const name = importName(spec);
      // A request to verify is not undone by another mention of the cache.
      if (byName.get(name)?.attrs["verify"] === undefined) byName.set(name, spec);
    }
    const unknown = [...byName].filter(([name]) => !this.#names.has(name));
    for (const [name] of unknown) this.#names.add(name);
    return await Promise.all(unknown.map(([name, spec]) => startImport(name, spec, this.#deps, this.#stack)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function startImport(
  name: string,
  spec: CacheSpec,
  { store, registry, client, progress, lease, signal, patience = PATIENCE, onFailure }: ImportDeps,
  stack: AsyncDisposableStack,
): Promise<ResultCache> {
  const { importedCache, readCache, trustOf } = await import("../../remotecache/index.ts");
  const ended = new AbortController();
  let listener: Disposable | undefined;
  const limits = [ended.signal, AbortSignal.timeout(patience), ...(signal === undefined ? [] : [signal])];
  const options = { signal: AbortSignal.any(limits), onWarning: (message: string) => progress.warn(message) };
  const graphs = progress
    .activity(`importing cache manifest from ${name}`, async (activity) => {
      const trust = await trustOf(spec, { machine: client === undefined });
      const origins = await originsOf(
        spec,
        { registry, clouds: store.clouds, client },
        waitReporter((line) => activity.report(line)),
      );
      listener = store.lostBlobs.tell({
        source: origins[0]?.source ?? "",
        dropBlob: (digest, error) => cache.dropBlob(digest, stateOf(error, spec)),
        dropAll: () => cache.dropAll(),
      });
      return await readAll(origins, {
        read: (origin) => readCache(origin, { ...options, trust }),
        warn: options.onWarning,
      });
    })
    .catch((error: unknown) => {
      onFailure(name, messageOf(error));
      return [];
    });
  const load = (layers: readonly RemoteLayer[]): Promise<Result> =>
    Promise.resolve(recordResult(store.records.addChain(layers, lease)));
  const cache = importedCache<Result>(name, graphs, { load }, { label: labelOf(name, spec) });
  stack.defer(async () => {
    ended.abort();
    await graphs;
    listener?.[Symbol.dispose]();
  });
  return cache;
}

/** Returns what is said of a layer that could not be read. */
function stateOf({ code, message }: VarveError, { type }: CacheSpec): string {
  if (code === "not-found") return type === "local" ? "is gone" : "is gone (404)";
  return code === "corrupt" ? "is damaged" : `cannot be read: ${message}`;
}

/** Returns what a cache is called in sentences. */
function labelOf(name: string, spec: CacheSpec): string {
  if (spec.type === "registry") return `registry ${name}`;
  return spec.type === "local" ? `directory ${placeOf(spec)}` : name;
}

/** Reads the documents of a cache. One that cannot be read is left out, with a warning, if there is another. */
async function readAll(
  origins: readonly CacheOrigin[],
  {
    read,
    warn,
  }: { readonly read: (origin: CacheOrigin) => Promise<CacheGraph[]>; readonly warn: (message: string) => void },
): Promise<CacheGraph[]> {
  const settled = await Promise.allSettled(origins.map(read));
  const failures = settled.filter((one) => one.status === "rejected");
  if (origins.length > 0 && failures.length === origins.length) throw failures[0]?.reason;
  for (const { reason } of failures) warn(messageOf(reason));
  return settled.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
}

/** What the origins of caches are opened with. */
export interface OriginDeps extends Pick<Store, "registry" | "clouds"> {
  readonly client?: ClientCaches | undefined;
}

/** Returns the documents that a cache is read from; all have the same source. Throws `unsupported` for an unknown cache type. */
export async function originsOf(
  { type, attrs }: CacheSpec,
  { registry: open, clouds, client }: OriginDeps,
  onWait?: OnWait,
): Promise<readonly CacheOrigin[]> {
  const { isCloudType, layoutOrigin, parseCloudCache, registryOrigin } = await import("../../remotecache/index.ts");
  switch (type) {
    case "registry": {
      const reference = withDefaultTag(parseReference(attrs["ref"] ?? ""));
      const registry = await open();
      if (parseGoBool(attrs["registry.insecure"] ?? "") === true) registry.allowInsecure(reference.registry);
      return [registryOrigin(registry, reference, { onWait })];
    }
    case "local":
      if (client !== undefined) return [await client.origin(attrs["src"] ?? "", requiredDigest(attrs["digest"]))];
      return [layoutOrigin(attrs["src"] ?? "", { tag: attrs["tag"] ?? "latest", ...digestOf(attrs["digest"]) })];
    default:
      if (isCloudType(type)) return (await clouds.of(parseCloudCache(type, attrs))).origins(onWait);
      throw new VarveError("unsupported", `Cannot import cache: unknown cache importer: ${type}`);
  }
}

function requiredDigest(text: string | undefined): Digest {
  const { digest } = digestOf(text);
  if (digest !== undefined) return digest;
  throw new VarveError("invalid-argument", "Cannot import cache: local cache importer requires explicit digest");
}

function digestOf(text: string | undefined): { readonly digest?: Digest | undefined } {
  if (text === undefined || text === "") return {};
  if (isDigest(text)) return { digest: text };
  throw new VarveError("invalid-argument", `Cannot import cache: ${JSON.stringify(text)} is not a digest`);
}

/** Returns the name of a cache in progress and traces. Specs with the same name are the same cache. */
function importName(spec: CacheSpec): string {
  const { type, attrs } = spec;
  if (type === "registry") return placeOf(spec);
  const place = CLOUD_PLACES.get(type);
  if (place !== undefined)
    return `${type}:${place.flatMap((key) => withoutQuery(attrs[key] ?? "") || []).join("/") || DEFAULT_NAME}`;
  const tag = attrs["digest"] ?? attrs["tag"];
  return `${type}:${placeOf(spec)}${tag === undefined ? "" : `:${tag}`}`;
}

/** A query may be a shared access signature. */
function withoutQuery(text: string): string {
  return text.replace(/\?.*$/s, "");
}

function placeOf({ type, attrs }: CacheSpec): string {
  return attrs[PLACE.get(type) ?? ""] ?? "";
}
