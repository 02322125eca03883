import { CacheManager } from "../solver/index.ts";
import type { Database } from "../state/index.ts";
import { SqliteKeyStore } from "./key-store.ts";
import { type ResultTable, TableResultStore } from "./result-store.ts";

/** The name the embedded cache goes by in events and traces. */
export const LOCAL_CACHE = "local";

/** The embedded cache: keys in the database, results wherever `results` has them. */
export function localCache<R>(
  state: Database,
  results: ResultTable<R>,
  keys: SqliteKeyStore = new SqliteKeyStore(state),
): CacheManager<R> {
  return new CacheManager({ id: LOCAL_CACHE, keys, results: new TableResultStore(results) });
}

/**
 * Forgets the results that are gone, then the links that lead to none. To be run after records were pruned: results that
 * are gone are otherwise forgotten one by one, when they are met.
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
