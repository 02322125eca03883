import type { Digest } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheManager } from "../../solver/index.ts";
import type { CacheGraph } from "../document/graph.ts";
import { ImportIndex, type ImportedNote } from "./import-index.ts";
import { ImportedKeys } from "./imported-keys.ts";
import { type ImportedResults, ImportedResultStore } from "./imported-results.ts";
import { MissingResults } from "./missing-results.ts";

/** Options of `importedCache`. */
export interface ImportedCacheOptions {
  /** In milliseconds since 1970. Results with a later time get this time. Default: the time of the call. */
  readonly now?: number | undefined;
  /** What the cache is called in sentences. Default: its id. */
  readonly label?: string | undefined;
}

/** Why a record of an imported cache has no result. */
export type NoResult =
  /** The document has none. */
  | { readonly kind: "none" }
  /** A layer of the result is missing. `state`: `is gone (404)`. */
  | { readonly kind: "layer"; readonly digest: Digest; readonly state: string };

/** An imported cache, which is read-only. */
export class ImportedCache<R> extends CacheManager<R> {
  /** What the cache is called in sentences. */
  readonly label: string;
  readonly #index: Promise<ImportIndex>;
  readonly #missing: MissingResults;

  constructor(id: string, index: Promise<ImportIndex>, results: ImportedResults<R>, label: string) {
    const missing = new MissingResults();
    super({ id, keys: new ImportedKeys(index, missing), results: new ImportedResultStore(index, missing, results) });
    this.label = label;
    this.#index = index;
    this.#missing = missing;
  }

  /** Returns why the record of a key has no result; undefined if it has one, or if there is no such record. */
  async noResult(key: string): Promise<NoResult | undefined> {
    const record = (await this.#index).get(key)?.node;
    if (record === undefined) return undefined;
    if (record.results.length === 0) return { kind: "none" };
    for (const { digest } of record.results.flatMap(({ layers }) => layers)) {
      const state = this.#missing.stateOf(digest);
      if (state !== undefined) return { kind: "layer", digest, state };
    }
    return undefined;
  }

  /** Returns the layers of a result by its id in this cache, or undefined if it does not exist. */
  async layersOf(result: string): Promise<readonly RemoteLayer[] | undefined> {
    const index = await this.#index;
    return this.#missing.has(result, index) ? undefined : index.layers(result);
  }

  /** Returns whether none of these layers is known to be missing at the source of the cache. */
  hasLayers(layers: readonly Pick<RemoteLayer, "digest">[]): boolean {
    return layers.every(({ digest }) => this.#missing.stateOf(digest) === undefined);
  }

  /** Returns what the cache says of its records. It is read when this is first called; nothing if it cannot be read. */
  async notes(signal?: AbortSignal): Promise<readonly ImportedNote[]> {
    return await (await this.#index).notes(signal).catch(() => []);
  }

  /** Marks a blob as missing at its source. Results that contain it no longer exist. `state`: see `NoResult`. */
  dropBlob(digest: Digest, state = "is gone"): void {
    this.#missing.addBlob(digest, state);
  }

  /** Marks all blobs as missing. No result exists any more. */
  dropAll(): void {
    this.#missing.addAll();
  }
}

/**
 * Returns graphs as a read-only cache for a solve. Equal records of the graphs become one. The first query waits for the graphs;
 * if reading them failed, every query throws that error.
 *
 * @example
 * const cache = importedCache(origin.name, readCache(origin), { load: async (layers) => records.addChain(layers, lease) });
 * await solver.solve(edges, { caches: [cache] });
 */
export function importedCache<R>(
  id: string,
  graphs: Promise<readonly CacheGraph[]>,
  results: ImportedResults<R>,
  { now = Date.now(), label = id }: ImportedCacheOptions = {},
): ImportedCache<R> {
  const index = graphs.then((list) => new ImportIndex(list, now));
  // Queries throw the error. Without this handler, an error before the first query would end the process.
  index.catch(() => undefined);
  return new ImportedCache(id, index, results, label);
}
