import { digestOf } from "../../core/index.ts";
import type { CacheKey } from "./key.ts";
import type { CacheKeyStore, CacheResultStore, KeyChange, KeyLink, ResultContext, StoredResult } from "./store.ts";

/** A result in a cache, with the key it hangs on. */
export interface CacheRecord<R> {
  readonly cache: CacheManager<R>;
  /** Id of the key in the cache's key store. */
  readonly key: string;
  readonly result: StoredResult;
}

export interface Saved<R> {
  readonly record?: CacheRecord<R> | undefined;
  /** The cache had no such key before. */
  readonly isNewKey: boolean;
}

export interface CacheManagerOptions<R> {
  /** For people and for traces: `local`, or the name of an importer. Unique among the caches of a solve. */
  readonly id: string;
  readonly keys: CacheKeyStore;
  readonly results: CacheResultStore<R>;
}

/** How far up a key's history is looked at for a loop. Past it a link is not added, which costs a hit, never a wrong one. */
const MAX_ANCESTORS = 20_000;

/** One cache: a key store and the result store its results live in. */
export class CacheManager<R> {
  readonly id: string;
  readonly keys: CacheKeyStore;
  readonly results: CacheResultStore<R>;
  /** How many results of other caches were saved under keys of edges that were not told. */
  adopted: number = 0;

  constructor({ id, keys, results }: CacheManagerOptions<R>) {
    this.id = id;
    this.keys = keys;
    this.results = results;
  }

  /** The records at a key's id whose results still exist, newest first. Results that are gone are forgotten. */
  async recordsAt(key: string): Promise<CacheRecord<R>[]> {
    const records: CacheRecord<R>[] = [];
    for (const result of await this.keys.results(key)) {
      if (await this.results.exists(result.id)) records.push({ cache: this, key, result });
      else await this.keys.release(result.id);
    }
    return records;
  }

  async load(record: CacheRecord<R>, context: ResultContext): Promise<R> {
    return await this.results.load(record.result, context);
  }

  /** Forgets a record that could not be loaded if its result is gone for good. */
  async forgetLost(record: CacheRecord<R>): Promise<void> {
    if (!(await this.results.exists(record.result.id))) await this.keys.release(record.result.id);
  }

  /**
   * Remembers a result under a key, with all links that lead to it, in one write. There is no record if nothing durable leads to
   * the key (some input is known by session keys only) or the result cannot be kept.
   */
  async save(key: CacheKey, result: R, createdAt: number): Promise<Saved<R>> {
    const changes: KeyChange[] = [];
    const id = await this.#place(key, changes, new Set());
    if (id === undefined) return { isNewKey: false };
    const isNewKey = !(await this.keys.exists(id));
    const stored = await this.results.save(result, createdAt);
    if (stored !== undefined) changes.push({ kind: "result", key: id, result: stored });
    await this.keys.write(changes);
    key.locate(this.id, id);
    return { isNewKey, ...(stored === undefined ? {} : { record: { cache: this, key: id, result: stored } }) };
  }

  /** As `save` without a result. Returns the key's id here; undefined if nothing durable leads to it. */
  async place(key: CacheKey): Promise<string | undefined> {
    const changes: KeyChange[] = [];
    const id = await this.#place(key, changes, new Set());
    if (id === undefined) return undefined;
    await this.keys.write(changes);
    key.locate(this.id, id);
    return id;
  }

  /** Adds a link between two keys of this cache unless it would close a loop. */
  async link(from: string, link: KeyLink, to: string): Promise<void> {
    if (await this.keys.hasLink(from, link, to)) return;
    if (await this.#isAncestor(to, from)) return;
    await this.keys.write([{ kind: "link", from, link, to }]);
  }

  /** The id of a key here, found or made up; collects the links that are missing. Undefined: it cannot be kept. */
  async #place(key: CacheKey, changes: KeyChange[], above: Set<CacheKey>): Promise<string | undefined> {
    if (key.isRoot) return key.isSession ? undefined : key.record;
    const nested = above.size > 0;
    const known = key.idsIn(this.id)[0];
    if (nested && known !== undefined) return known;
    if (above.has(key)) return undefined;
    above.add(key);
    const mine: KeyChange[] = [];
    const sources = await this.#sources(key, mine, above);
    above.delete(key);
    if (sources === undefined) return undefined;
    const id = known ?? (await this.#find(sources)) ?? derivedId(key, sources);
    changes.push(...mine, ...(await this.#missing(sources, id)));
    return id;
  }

  /** For each input the durable ids that lead to the key; undefined if an input has none. */
  async #sources(key: CacheKey, changes: KeyChange[], above: Set<CacheKey>): Promise<Source[][] | undefined> {
    const sources: Source[][] = [];
    for (const [input, alternatives] of key.inputs.entries()) {
      const list: Source[] = [];
      for (const alternative of alternatives) {
        const from = await this.#place(alternative.key, changes, above);
        const link = { input, output: key.output, digest: key.digest, selector: alternative.selector };
        if (from !== undefined) list.push({ from, link });
      }
      if (list.length === 0) return undefined;
      sources.push(list);
    }
    return sources;
  }

  /** A key that every input leads to already. */
  async #find(sources: readonly (readonly Source[])[]): Promise<string | undefined> {
    let common: Set<string> | undefined;
    for (const list of sources) {
      const here = new Set<string>();
      for (const { from, link } of list) for (const id of await this.keys.links(from, link)) here.add(id);
      common = common?.intersection(here) ?? here;
      if (common.size === 0) return undefined;
    }
    return common === undefined ? undefined : [...common].sort()[0];
  }

  async #missing(sources: readonly (readonly Source[])[], to: string): Promise<KeyChange[]> {
    const missing: KeyChange[] = [];
    const known = await this.keys.exists(to);
    for (const { from, link } of sources.flat()) {
      if (known && ((await this.keys.hasLink(from, link, to)) || (await this.#isAncestor(to, from)))) continue;
      missing.push({ kind: "link", from, link, to });
    }
    return missing;
  }

  async #isAncestor(ancestor: string, of: string): Promise<boolean> {
    const seen = new Set([of]);
    for (const id of seen) {
      if (id === ancestor || seen.size > MAX_ANCESTORS) return true;
      for (const { from } of await this.keys.backlinks(id)) seen.add(from);
    }
    return false;
  }
}

interface Source {
  readonly from: string;
  readonly link: KeyLink;
}

/**
 * The id of a new key. It follows from what leads to it, so that two processes that save the same key at once agree. Links
 * alone give it meaning: nothing ever computes it in order to look something up.
 */
function derivedId(key: CacheKey, sources: readonly (readonly Source[])[]): string {
  const inputs = sources.map((list) => list.map(({ from, link }) => `${from} ${link.selector}`).sort());
  return `key:${digestOf(JSON.stringify([key.digest, key.output, inputs])).slice("sha256:".length)}`;
}
