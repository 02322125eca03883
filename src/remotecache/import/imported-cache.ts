import type { Digest } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheManager } from "../../solver/index.ts";
import type { CacheGraph } from "../document/graph.ts";
import { ImportIndex } from "./import-index.ts";
import { ImportedKeys } from "./imported-keys.ts";
import { type ImportedResults, ImportedResultStore } from "./imported-results.ts";
import { MissingResults } from "./missing-results.ts";

/** Options of `importedCache`. */
export interface ImportedCacheOptions {
  /** In milliseconds since 1970. Results with a later time get this time. Default: the time of the call. */
  readonly now?: number | undefined;
}

/** An imported cache, which is read-only. */
export class ImportedCache<R> extends CacheManager<R> {
  readonly #index: Promise<ImportIndex>;
  readonly #missing: MissingResults;

  constructor(id: string, index: Promise<ImportIndex>, results: ImportedResults<R>) {
    const missing = new MissingResults();
    super({ id, keys: new ImportedKeys(index, missing), results: new ImportedResultStore(index, missing, results) });
    this.#index = index;
    this.#missing = missing;
  }

  /** Returns the layers of a result by its id in this cache, or undefined if it does not exist. */
  async layersOf(result: string): Promise<readonly RemoteLayer[] | undefined> {
    const index = await this.#index;
    return this.#missing.has(result, index) ? undefined : index.layers(result);
  }

  /** Marks a blob as missing at its source. Results that contain it no longer exist. */
  dropBlob(digest: Digest): void {
    this.#missing.addBlob(digest);
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
  { now = Date.now() }: ImportedCacheOptions = {},
): ImportedCache<R> {
  const index = graphs.then((list) => new ImportIndex(list, now));
  // Queries throw the error. Without this handler, an error before the first query would end the process.
  index.catch(() => undefined);
  return new ImportedCache(id, index, results);
}
