import type { Digest } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheManager } from "../../solver/index.ts";
import type { CacheGraph } from "../document/graph.ts";
import { ImportIndex } from "./import-index.ts";
import { ImportedKeys } from "./imported-keys.ts";
import { type ImportedResults, ImportedResultStore } from "./imported-results.ts";
import { Losses } from "./losses.ts";

export interface ImportedCacheOptions {
  /** Milliseconds since 1970; results dated later count as made then. Default: the time of the call. */
  readonly now?: number | undefined;
}

/** A cache that was imported: it saves nothing. */
export class ImportedCache<R> extends CacheManager<R> {
  readonly #index: Promise<ImportIndex>;
  readonly #losses: Losses;

  constructor(id: string, index: Promise<ImportIndex>, results: ImportedResults<R>) {
    const losses = new Losses();
    super({ id, keys: new ImportedKeys(index, losses), results: new ImportedResultStore(index, losses, results) });
    this.#index = index;
    this.#losses = losses;
  }

  /** The layers of a result, by its id in this cache; undefined for one that is not there. */
  async layersOf(result: string): Promise<readonly RemoteLayer[] | undefined> {
    const index = await this.#index;
    return this.#losses.has(result, index) ? undefined : index.layers(result);
  }

  /** Says that a blob is not where the import says: results with it do not exist from now on. */
  dropBlob(digest: Digest): void {
    this.#losses.addBlob(digest);
  }

  /** Says that nothing can be had from where the import says: no result exists from now on. */
  dropAll(): void {
    this.#losses.addAll();
  }
}

/**
 * An import as a cache of a solve. The first query waits for the graphs; where the import failed every query throws its
 * error. Results of all graphs are found, equal records being one.
 */
export function importedCache<R>(
  id: string,
  graphs: Promise<readonly CacheGraph[]>,
  results: ImportedResults<R>,
  { now = Date.now() }: ImportedCacheOptions = {},
): ImportedCache<R> {
  const index = graphs.then((list) => new ImportIndex(list, now));
  // Whoever asks is told; that nobody has asked yet is no reason to end the process.
  index.catch(() => undefined);
  return new ImportedCache(id, index, results);
}
