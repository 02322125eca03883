import { type CacheSpec, type Store, openRegistry } from "../engine/index.ts";
import { VarveError } from "../core/index.ts";
import {
  type DocumentSigner,
  type PruneRegistryOptions,
  type PruneTargetOptions,
  type PrunedTarget,
  isCloudType,
  parseCloudCache,
  pruneLayoutTarget,
  pruneRegistryTarget,
  signerOf,
  timeFromMilliseconds,
} from "../remotecache/index.ts";
import { ofCache, referenceOf } from "./target.ts";

/** What stays of a cache in a registry, a directory or a bucket. */
export interface PruneCacheRequest {
  /** Exports of each scope, the newest first; default 1. */
  readonly generations?: number | undefined;
  /** The scopes that stay; default all. */
  readonly scopes?: readonly string[] | undefined;
  /** Exports whose newest result is older go: milliseconds. */
  readonly keepDuration?: number | undefined;
  /**
   * Registries only: also delete blobs that nothing needs any more that a tag leads to. Images that go by their digest only
   * are not seen.
   */
  readonly deleteBlobs?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** See `pruneCacheTarget`. */
export async function pruneTarget(
  store: Store,
  spec: CacheSpec,
  request: PruneCacheRequest = {},
): Promise<PrunedTarget> {
  const name = spec.attrs["ref"] ?? spec.attrs["dest"] ?? spec.attrs["src"] ?? "";
  if (name === "" && !isCloudType(spec.type))
    throw new VarveError("invalid-argument", "Cannot prune cache: no target is named");
  const kept = keptOf(request, await signerOf(spec, { machine: true }));
  try {
    if (spec.type === "local") return await pruneLayoutTarget(name, kept);
    if (isCloudType(spec.type)) {
      const cache = await store.clouds.of(parseCloudCache(spec.type, spec.attrs));
      return await cache.prune(kept);
    }
    if (spec.type === "registry")
      return await pruneRegistry(store, spec, { ...kept, deleteBlobs: request.deleteBlobs });
  } catch (error) {
    throw ofCache(error);
  }
  throw new VarveError("unsupported", `Cannot prune cache: unknown type of cache ${JSON.stringify(spec.type)}`);
}

async function pruneRegistry(store: Store, spec: CacheSpec, options: PruneRegistryOptions): Promise<PrunedTarget> {
  const reference = referenceOf(spec);
  const insecure = /^(?:1|t|true)$/i.test(spec.attrs["registry.insecure"] ?? "");
  const registry = await openRegistry({ reference, insecure }, store);
  return await pruneRegistryTarget({ registry, reference }, options);
}

function keptOf(
  { generations, scopes = [], keepDuration, signal }: PruneCacheRequest,
  signer: DocumentSigner | undefined,
): PruneTargetOptions {
  return {
    signer,
    generations,
    ...(scopes.length === 0 ? {} : { scopes }),
    ...(keepDuration === undefined ? {} : { newerThan: timeFromMilliseconds(Date.now() - keepDuration) }),
    signal,
  };
}
