import { digestOf } from "../../core/index.ts";
import type { CacheKey } from "./key.ts";
import type { CacheKeyStore, CacheResultStore, KeyChange, KeyLink, ResultContext, StoredResult } from "./store.ts";

/** A result in a cache, with the key it is stored under. */
export interface CacheRecord<R> {
  readonly cache: CacheManager<R>;
  /** Id of the key in the cache's key store. */
  readonly key: string;
  readonly result: StoredResult;
}

/** What `CacheManager.save` did. */
export interface Saved<R> {
  /** Undefined if the result could not be stored. */
  readonly record?: CacheRecord<R> | undefined;
  /** True if the cache did not have the key before. */
  readonly isNewKey: boolean;
}

export interface CacheManagerOptions<R> {
  /** Shown to users and in traces: `local`, or the name of an imported cache. Unique among the caches of a solve. */
  readonly id: string;
  readonly keys: CacheKeyStore;
  readonly results: CacheResultStore<R>;
}

/**
 * Maximum number of ancestors that are searched for a loop before a link is added. When there are more, the link is left out:
 * that may cause a cache miss, but never a wrong hit.
 */
const MAX_ANCESTORS = 20_000;

/**
 * One cache: a key store, and the result store that holds its results.
 *
 * @example
 * const cache = new CacheManager({ id: "local", keys: new MemoryKeyStore(), results: new MemoryResultStore() });
 * const solver = new Solver({ cache });
 */
export class CacheManager<R> {
  readonly id: string;
  readonly keys: CacheKeyStore;
  readonly results: CacheResultStore<R>;
  /** Number of results that came along with an imported one and were saved here under keys of edges that were not notified. */
  adoptedResults: number = 0;

  constructor({ id, keys, results }: CacheManagerOptions<R>) {
    this.id = id;
    this.keys = keys;
    this.results = results;
  }

  /** Returns the records under a key's id whose results still exist, newest first. Removes results that are gone from the key store. */
  async recordsAt(key: string): Promise<CacheRecord<R>[]> {
    const records: CacheRecord<R>[] = [];
    for (const result of await this.keys.results(key)) {
      if (await this.results.exists(result.id)) records.push({ cache: this, key, result });
      else await this.keys.release(result.id);
    }
    return records;
  }

  /** Loads the result of a record. Throws what the result store throws. */
  async load(record: CacheRecord<R>, context: ResultContext): Promise<R> {
    return await this.results.load(record.result, context);
  }

  /** Removes a record that could not be loaded, if its result no longer exists. */
  async forgetLost(record: CacheRecord<R>): Promise<void> {
    if (!(await this.results.exists(record.result.id))) await this.keys.release(record.result.id);
  }

  /**
   * Stores a result under a key, with all links that lead to the key, in one write. Returns no record if the key cannot be
   * stored (some input has session keys only) or if the result store cannot keep the result.
   */
  async save(key: CacheKey, result: R, createdAt: number): Promise<Saved<R>> {
    const changes: KeyChange[] = [];
    const id = await this.#resolveId(key, changes, new Set());
    if (id === undefined) return { isNewKey: false };
    const isNewKey = !(await this.keys.exists(id));
    const stored = await this.results.save(result, createdAt);
    if (stored !== undefined) changes.push({ kind: "result", key: id, result: stored });
    await this.keys.write(changes);
    key.addLocation(this.id, id);
    return { isNewKey, record: stored === undefined ? undefined : { cache: this, key: id, result: stored } };
  }

  /** Stores a key and its links without a result. Returns the key's id in this cache, or undefined if it cannot be stored. */
  async saveKey(key: CacheKey): Promise<string | undefined> {
    const changes: KeyChange[] = [];
    const id = await this.#resolveId(key, changes, new Set());
    if (id === undefined) return undefined;
    await this.keys.write(changes);
    key.addLocation(this.id, id);
    return id;
  }

  /** Adds a link between two keys of this cache, unless the link would close a loop. */
  async link(from: string, link: KeyLink, to: string): Promise<void> {
    if (await this.keys.hasLink(from, link, to)) return;
    if (await this.#isAncestor(to, from)) return;
    await this.keys.write([{ kind: "link", from, link, to }]);
  }

  /**
   * Returns the id of a key in this cache: the existing one, or a new one. Adds the links that are missing to `changes`.
   * Returns undefined if the key cannot be stored.
   */
  async #resolveId(key: CacheKey, changes: KeyChange[], above: Set<CacheKey>): Promise<string | undefined> {
    if (key.isRoot) return key.isSession ? undefined : key.record;
    const nested = above.size > 0;
    const known = key.idsIn(this.id)[0];
    if (nested && known !== undefined) return known;
    if (above.has(key)) return undefined;
    above.add(key);
    const linkChanges: KeyChange[] = [];
    const sources = await this.#sources(key, linkChanges, above);
    above.delete(key);
    if (sources === undefined) return undefined;
    const id = known ?? (await this.#find(sources)) ?? derivedId(key, sources);
    changes.push(...linkChanges, ...(await this.#missingLinks(sources, id)));
    return id;
  }

  /** Returns for each input the stored ids that lead to the key, or undefined if an input has none. */
  async #sources(key: CacheKey, changes: KeyChange[], above: Set<CacheKey>): Promise<Source[][] | undefined> {
    const sources: Source[][] = [];
    for (const [input, alternatives] of key.inputs.entries()) {
      const list: Source[] = [];
      for (const alternative of alternatives) {
        const from = await this.#resolveId(alternative.key, changes, above);
        const link = { input, output: key.output, digest: key.digest, selector: alternative.selector };
        if (from !== undefined) list.push({ from, link, isWeak: alternative.isWeak === true });
      }
      if (list.length === 0) return undefined;
      sources.push(list);
    }
    return sources;
  }

  /** Returns the id of a key that every input already leads to. */
  async #find(sources: readonly (readonly Source[])[]): Promise<string | undefined> {
    let common: Set<string> | undefined;
    for (const list of sources) {
      const targets = new Set<string>();
      for (const { from, link } of identifying(list))
        for (const id of await this.keys.links(from, link)) targets.add(id);
      common = common?.intersection(targets) ?? targets;
      if (common.size === 0) return undefined;
    }
    return common === undefined ? undefined : [...common].sort()[0];
  }

  async #missingLinks(sources: readonly (readonly Source[])[], to: string): Promise<KeyChange[]> {
    const missing: KeyChange[] = [];
    const known = await this.keys.exists(to);
    for (const { from, link } of sources.flat()) {
      if (known && ((await this.keys.hasLink(from, link, to)) || (await this.#isAncestor(to, from)))) continue;
      missing.push({ kind: "link", from, link, to });
    }
    return missing;
  }

  async #isAncestor(ancestor: string, of: string): Promise<boolean> {
    const visited = new Set([of]);
    for (const id of visited) {
      if (id === ancestor || visited.size > MAX_ANCESTORS) return true;
      for (const { from } of await this.keys.backlinks(id)) visited.add(from);
    }
    return false;
  }
}

interface Source {
  readonly from: string;
  readonly link: KeyLink;
  readonly isWeak: boolean;
}

/** Returns the sources of an input that say which key it is; all of them if none does. */
function identifying(sources: readonly Source[]): readonly Source[] {
  const strong = sources.filter(({ isWeak }) => !isWeak);
  return strong.length > 0 ? strong : sources;
}

/**
 * Returns the id of a new key. It is computed from the links that lead to the key, so that two processes that save the same
 * key at the same time use the same id. Lookups follow links and never compute an id.
 */
function derivedId(key: CacheKey, sources: readonly (readonly Source[])[]): string {
  const inputs = sources.map((list) =>
    identifying(list)
      .map(({ from, link }) => `${from} ${link.selector}`)
      .sort(),
  );
  return `key:${digestOf(JSON.stringify([key.digest, key.output, inputs])).slice("sha256:".length)}`;
}
