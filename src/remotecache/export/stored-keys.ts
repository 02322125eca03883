import { isDigest } from "../../core/index.ts";
import {
  CacheKey,
  type CacheManager,
  type KeyDigest,
  type KeyLink,
  RECORD_OUTPUT,
  recordDigest,
} from "../../solver/index.ts";
import { type ExportedGraph, exportGraph } from "./export-graph.ts";
import type { ResultOptions } from "./result-finder.ts";

/** Maximum number of keys with results that are exported, newest first. A scope can have at most this number of tops. */
const MAX_KEYS = 4096;

type Backlink = { readonly from: string; readonly link: KeyLink };

/** Returns the graph of all records of a cache, as `exportGraph` does for the results of a solve. Each key with a result is a top. */
export async function exportStored<R>(cache: CacheManager<R>, options: ResultOptions<R>): Promise<ExportedGraph> {
  const keys = await new StoredKeys(cache).withResults(MAX_KEYS);
  return await exportGraph([{ keys, caches: [cache] }], options);
}

/** Converts the keys in a cache's key store to keys of a solve. */
class StoredKeys<R> {
  readonly #cache: CacheManager<R>;
  readonly #keys = new Map<string, readonly CacheKey[]>();
  /** Links that are still to be followed. */
  readonly #open: (() => Promise<void>)[] = [];

  constructor(cache: CacheManager<R>) {
    this.#cache = cache;
  }

  /** Returns the newest keys that have results, with all their ancestors. */
  async withResults(most: number): Promise<CacheKey[]> {
    const dated: { readonly id: string; readonly createdAt: number }[] = [];
    for await (const id of this.#cache.keys.walk()) {
      const [newest] = await this.#cache.keys.results(id);
      if (newest !== undefined) dated.push({ id, createdAt: newest.createdAt });
    }
    const newest = dated.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1)).slice(0, most);
    const keys: CacheKey[] = [];
    for (const { id } of newest) keys.push(...(await this.#of(id)));
    // Following a link may add further ones.
    for (const next of this.#open) await next();
    return keys;
  }

  /** Returns one key for each record that the links to an id refer to. A root is its own record. */
  async #of(id: string): Promise<readonly CacheKey[]> {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const backlinks = await this.#cache.keys.backlinks(id);
    if (backlinks.length === 0) return this.#keep(id, isDigest(id) ? [new CacheKey(id, RECORD_OUTPUT)] : []);
    const groups = [...Map.groupBy(backlinks, ({ link }) => recordDigest(link.digest, link.output))];
    const sorted = groups.sort(([a], [b]) => (a < b ? -1 : 1));
    return this.#keep(
      id,
      sorted.map(([record, links]) => this.#inner(id, record, links)),
    );
  }

  #keep(id: string, keys: readonly CacheKey[]): readonly CacheKey[] {
    this.#keys.set(id, keys);
    return keys;
  }

  #inner(id: string, record: KeyDigest, links: readonly Backlink[]): CacheKey {
    const inputs = 1 + Math.max(...links.map(({ link }) => link.input));
    const key = new CacheKey(record, RECORD_OUTPUT, { inputs });
    key.addLocation(this.#cache.id, id);
    this.#open.push(async () => {
      for (const { from, link } of links)
        for (const alternative of await this.#of(from))
          key.addAlternative(link.input, { key: alternative, selector: link.selector });
    });
    return key;
  }
}
