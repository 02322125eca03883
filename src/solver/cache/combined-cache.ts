import type { CacheManager, CacheRecord } from "./cache-manager.ts";
import type { CacheKey } from "./key.ts";
import type { KeyLink, LoadedResult, ResultContext } from "./store.ts";

export interface ProbeAnswer<R> {
  readonly cache: CacheManager<R>;
  /** Ids of the keys that were reached. */
  readonly found: readonly string[];
}

export interface Loaded<R> {
  readonly result: R;
  /** Where the result is now remembered. */
  readonly records: readonly CacheRecord<R>[];
}

/**
 * The main cache and any number of imported ones, asked as one. What an imported cache gives is kept in the main one, with
 * the time the import says. Imported caches are never written to; one that fails is told of once and not asked again.
 */
export class CombinedCache<R> {
  readonly main: CacheManager<R>;
  #imports: readonly CacheManager<R>[] = [];
  #all: readonly CacheManager<R>[];
  #changes = 0;
  readonly #onFailure: (cache: string, error: unknown) => void;

  constructor(main: CacheManager<R>, onFailure: (cache: string, error: unknown) => void = () => undefined) {
    this.main = main;
    this.#all = [main];
    this.#onFailure = onFailure;
  }

  /** Adds an imported cache, asked after those that are there. One of a known name is left out. */
  add(cache: CacheManager<R>): void {
    if (this.#all.every(({ id }) => id !== cache.id)) this.#setImports([...this.#imports, cache]);
  }

  /** In the order they are asked. */
  all(): readonly CacheManager<R>[] {
    return this.#all;
  }

  /** Changes when a key of any edge may be known in a cache where it was not, without that edge being told. */
  get revision(): string {
    return `${this.#changes} ${this.main.adopted}`;
  }

  #setImports(imports: readonly CacheManager<R>[]): void {
    this.#imports = imports;
    this.#all = [this.main, ...imports];
    this.#changes += 1;
  }

  /** Follows a link from an id of one cache. */
  async follow(cache: CacheManager<R>, from: string, link: KeyLink): Promise<readonly string[]> {
    return await this.#ask(cache, [], () => cache.keys.links(from, link));
  }

  /** Where a root key is known. */
  async find(key: CacheKey): Promise<ProbeAnswer<R>[]> {
    const answers: ProbeAnswer<R>[] = [];
    for (const cache of this.all()) {
      const exists = !key.isSession && (await this.#ask(cache, false, () => cache.keys.exists(key.record)));
      answers.push({ cache, found: exists ? [key.record] : [] });
    }
    return answers;
  }

  async recordsAt(cache: CacheManager<R>, id: string): Promise<readonly CacheRecord<R>[]> {
    return await this.#ask(cache, [], () => cache.recordsAt(id));
  }

  /**
   * Loads a record found for `key`. One of an imported cache is saved in the main cache, and with it every result further
   * down the key's history that came along.
   */
  async load(record: CacheRecord<R>, key: CacheKey, context: ResultContext): Promise<Loaded<R>> {
    const { cache } = record;
    if (cache === this.main) return { result: await cache.load(record, context), records: [record] };
    const parents = await cache.results.loadWithParents?.(record.key, record.result, context);
    const own = parents?.get(record.key);
    const result = own === undefined ? await cache.load(record, context) : own.result;
    for (const [ancestor, parent] of parentsOf(key, cache.id, parents)) {
      await this.main.save(ancestor, parent.result, parent.createdAt);
      this.main.adopted += 1;
    }
    const { record: kept } = await this.main.save(key, result, record.result.createdAt);
    return { result, records: kept === undefined ? [record] : [record, kept] };
  }

  async #ask<T>(cache: CacheManager<R>, otherwise: T, question: () => T | Promise<T>): Promise<T> {
    if (cache === this.main) return await question();
    if (!this.#imports.includes(cache)) return otherwise;
    try {
      return await question();
    } catch (error) {
      if (this.#imports.includes(cache)) {
        this.#setImports(this.#imports.filter((one) => one !== cache));
        this.#onFailure(cache.id, error);
      }
      return otherwise;
    }
  }
}

/**
 * Newest first. Of results made at the same time an imported one comes before a local one, as BuildKit has it, and imported
 * ones in the order of their caches.
 */
export function preferred<R>(records: readonly CacheRecord<R>[], main: CacheManager<R>): CacheRecord<R>[] {
  const rank = (record: CacheRecord<R>): number => (record.cache === main ? 1 : 0);
  return [...records].sort((a, b) => b.result.createdAt - a.result.createdAt || rank(a) - rank(b));
}

/** The keys a key was made from whose results came along with its own, with those; lowest first. */
function parentsOf<R>(
  key: CacheKey,
  cache: string,
  loaded: ReadonlyMap<string, LoadedResult<R>> | undefined,
): [CacheKey, LoadedResult<R>][] {
  if (loaded === undefined) return [];
  return [...ancestors(key, cache)].flatMap(([ancestor, id]) => {
    const parent = ancestor === key ? undefined : loaded.get(id);
    return parent === undefined ? [] : [[ancestor, parent] as [CacheKey, LoadedResult<R>]];
  });
}

/** A key and everything it was made from, with the ids they have in one cache; inputs before what is made from them. */
function* ancestors(key: CacheKey, cache: string, seen = new Set<CacheKey>()): Generator<[CacheKey, string]> {
  if (seen.has(key)) return;
  seen.add(key);
  for (const alternative of key.inputs.flat()) yield* ancestors(alternative.key, cache, seen);
  for (const id of key.idsIn(cache)) yield [key, id];
}
