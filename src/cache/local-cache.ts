import { CacheManager } from "../solver/index.ts";
import type { Database } from "../state/index.ts";
import { SqliteKeyStore } from "./key-store.ts";
import { type ResultTable, TableResultStore } from "./result-store.ts";

/** The id of the embedded cache in events and traces. */
export const LOCAL_CACHE = "local";

/**
 * Returns the embedded cache for a solver: its keys are in the database, its results in the table `results`.
 *
 * @example
 * const solver = new Solver({ cache: localCache(database, results) });
 */
export function localCache<R>(
  state: Database,
  results: ResultTable<R>,
  keys: SqliteKeyStore = new SqliteKeyStore(state),
): CacheManager<R> {
  return new CacheManager({ id: LOCAL_CACHE, keys, results: new TableResultStore(results) });
}

/**
 * Removes the results that no longer exist in their table, then the links that lead to no result. Returns how many of each were
 * removed. Call it after records were pruned; otherwise a missing result is removed when a search finds it.
 */
export function pruneCache<R>(state: Database, results: ResultTable<R>): { results: number; links: number } {
  const keys = new SqliteKeyStore(state);
  return state.transaction(
    () => {
      const gone = keys.allResults().filter((id) => results.get(id) === undefined);
      for (const id of gone) keys.release(id);
      return { results: gone.length, links: keys.pruneLinks() };
    },
    { frees: true },
  );
}
