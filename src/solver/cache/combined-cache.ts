import type { CacheManager, CacheRecord } from "./cache-manager.ts";
import type { CacheKey } from "./key.ts";
import type { KeyLink, LoadedResult, ResultContext } from "./store.ts";

/** What one cache answered to a lookup. */
export interface ProbeAnswer<R> {
  readonly cache: CacheManager<R>;
  /** Ids of the keys that were reached. */
  readonly found: readonly string[];
}

/** A loaded result. */
export interface Loaded<R> {
  readonly result: R;
  /** The records that now hold the result. */
  readonly records: readonly CacheRecord<R>[];
}

/**
 * The main cache and any number of imported caches, used as one. A result loaded from an imported cache is saved in the main
 * cache with its original time. Imported caches are read-only. When an imported cache fails, it is reported once and not
 * asked again.
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

  /** Adds an imported cache, which is asked last. Ignores a cache whose id is already present. */
  add(cache: CacheManager<R>): void {
    if (this.#all.every(({ id }) => id !== cache.id)) this.#setImports([...this.#imports, cache]);
  }

  /** Returns all caches in the order in which they are asked. */
  all(): readonly CacheManager<R>[] {
    return this.#all;
  }

  /** A value that changes when a cache may contain keys it did not contain before, without any edge being notified. */
  get revision(): string {
    return `${this.#changes} ${this.main.adoptedResults}`;
  }

  #setImports(imports: readonly CacheManager<R>[]): void {
    this.#imports = imports;
    this.#all = [this.main, ...imports];
    this.#changes += 1;
  }

  /** Returns the keys that a link leads to from an id in one cache. */
  async follow(cache: CacheManager<R>, from: string, link: KeyLink): Promise<readonly string[]> {
    return await this.#ask(cache, [], () => cache.keys.links(from, link));
  }

  /** Looks a root key up in every cache. */
  async find(key: CacheKey): Promise<ProbeAnswer<R>[]> {
    const answers: ProbeAnswer<R>[] = [];
    for (const cache of this.all()) {
      const exists = !key.isSession && (await this.#ask(cache, false, () => cache.keys.exists(key.record)));
      answers.push({ cache, found: exists ? [key.record] : [] });
    }
    return answers;
  }

  /** Returns the records under an id in one cache; see `CacheManager.recordsAt`. */
  async recordsAt(cache: CacheManager<R>, id: string): Promise<readonly CacheRecord<R>[]> {
    return await this.#ask(cache, [], () => cache.recordsAt(id));
  }

  /**
   * Loads a record that was found for `key`. A result of an imported cache is saved in the main cache, together with the
   * results of the key's ancestors that came along with it.
   */
  async load(record: CacheRecord<R>, key: CacheKey, context: ResultContext): Promise<Loaded<R>> {
    const { cache } = record;
    if (cache === this.main) return { result: await cache.load(record, context), records: [record] };
    const loaded = await cache.results.loadWithParents?.(record.key, record.result, context);
    const own = loaded?.get(record.key);
    const result = own === undefined ? await cache.load(record, context) : own.result;
    for (const [ancestor, parent] of parentsOf(key, cache.id, loaded)) {
      await this.main.save(ancestor, parent.result, parent.createdAt);
      this.main.adoptedResults += 1;
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
 * Sorts records in the order in which they are tried: newest first. Among records of the same time, imported ones come before
 * local ones (as in BuildKit), and imported ones keep the order of their caches.
 */
export function sortByPreference<R>(records: readonly CacheRecord<R>[], main: CacheManager<R>): CacheRecord<R>[] {
  const rank = (record: CacheRecord<R>): number => (record.cache === main ? 1 : 0);
  return [...records].sort((a, b) => b.result.createdAt - a.result.createdAt || rank(a) - rank(b));
}

/** Returns the ancestors of a key whose results were loaded together with its own, lowest first. */
function parentsOf<R>(
  key: CacheKey,
  cache: string,
  loaded: ReadonlyMap<string, LoadedResult<R>> | undefined,
): [CacheKey, LoadedResult<R>][] {
  if (loaded === undefined) return [];
  const parents: [CacheKey, LoadedResult<R>][] = [];
  for (const [ancestor, id] of ancestors(key, cache)) {
    const parent = ancestor === key ? undefined : loaded.get(id);
    if (parent !== undefined) parents.push([ancestor, parent]);
  }
  return parents;
}

/** Yields a key and all its ancestors with their ids in one cache, inputs first. */
function* ancestors(key: CacheKey, cache: string, visited = new Set<CacheKey>()): Generator<[CacheKey, string]> {
  if (visited.has(key)) return;
  visited.add(key);
  for (const alternative of key.inputs.flat()) yield* ancestors(alternative.key, cache, visited);
  for (const id of key.idsIn(cache)) yield [key, id];
}
