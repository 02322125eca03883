import type { CacheRecord } from "../cache/cache-manager.ts";
import { type CombinedCache, sortByPreference } from "../cache/combined-cache.ts";
import { type InputView, isExhausted } from "./explore.ts";
import { type EdgeInput, type Location, type Probe, locationName } from "./edge-input.ts";
import type { CacheKey } from "../cache/key.ts";

/** Which results an edge may use. */
export interface Freshness<R> {
  /** In milliseconds. Undefined: any. */
  readonly maxAge: number | undefined;
  /** Called with a record whose result is too old. */
  readonly expired: (record: CacheRecord<R>) => void;
}

/** Finds the records of one edge: looks up the keys of its inputs, keeps the records that all inputs lead to, and fetches their results. */
export class Matcher<R> {
  readonly #cache: CombinedCache<R>;
  readonly #inputs: readonly EdgeInput<R>[];
  readonly #freshness: Freshness<R>;
  readonly #rejected = new Set<string>();
  readonly #fetched = new Set<string>();
  readonly #records: CacheRecord<R>[] = [];
  readonly #found = new Set<string>();
  #fetching = 0;
  #isExpired = false;

  constructor(cache: CombinedCache<R>, inputs: readonly EdgeInput<R>[], freshness: Freshness<R>) {
    this.#cache = cache;
    this.#inputs = inputs;
    this.#freshness = freshness;
  }

  /** True if a root key was found, but only with results that are too old. */
  get isExpired(): boolean {
    return this.#isExpired;
  }

  /** Results of records are being fetched. */
  get isFetching(): boolean {
    return this.#fetching > 0;
  }

  /** Lookups or fetches are running. */
  get isBusy(): boolean {
    return this.#fetching > 0 || this.#inputs.some(({ probing }) => probing > 0);
  }

  /** The results that were found and not rejected, best first. */
  get records(): readonly CacheRecord<R>[] {
    const usable = this.#records.filter((record) => !this.#rejected.has(recordName(record)));
    return sortByPreference(usable, this.#cache.main);
  }

  /** Returns the lookups of these inputs that were not made yet, by input, and marks them as made. */
  takeProbes(key: CacheKey, inputs: readonly EdgeInput<R>[]): (readonly [EdgeInput<R>, Probe<R>[]])[] {
    const link = { digest: key.digest, output: key.output };
    return inputs
      .map((input) => [input, input.takeProbes(link, this.#cache.all())] as const)
      .filter(([, probes]) => probes.length > 0);
  }

  /** Makes lookups for an input. Returns true if `key` was found at a new location. */
  async probe(key: CacheKey, input: EdgeInput<R>, probes: readonly Probe<R>[]): Promise<boolean> {
    input.probing += 1;
    try {
      for (const probe of probes) input.note(probe, await this.#cache.follow(probe.cache, probe.id, probe.link));
      const common = this.common();
      for (const { id } of common) this.#found.add(id);
      const fresh = await this.#freshAt(common);
      const isNew = fresh.map(({ cache, id }) => key.addLocation(cache.id, id)).includes(true);
      for (const location of fresh) if (location.cache === this.#cache.main) await this.#link(key, location.id);
      return isNew;
    } finally {
      input.probing -= 1;
    }
  }

  /** Looks up a root key in all caches. */
  async find(key: CacheKey): Promise<void> {
    for (const { cache, found } of await this.#cache.find(key))
      for (const id of found) {
        this.#found.add(id);
        const [fresh] = await this.#freshAt([{ cache, id }]);
        if (fresh === undefined) this.#isExpired = true;
        else key.addLocation(cache.id, id);
      }
    if (key.isFound) this.#isExpired = false;
  }

  /** Ids of the records that were found, whether or not they have results. */
  get found(): readonly string[] {
    return [...this.#found];
  }

  /** Returns the records that every input leads to. */
  common(): Location<R>[] {
    const [first, ...rest] = this.#inputs;
    const found = [...(first?.reached.values() ?? [])];
    return found.filter((location) => {
      const name = locationName(location);
      return rest.every(({ reached }) => reached.has(name));
    });
  }

  /**
   * True if no further record can be found: some input is exhausted, and all records it leads to are reached by the other
   * inputs too. Once a usable result is known, an input with a match and without a content key counts as exhausted, so that
   * no result is made only to find a second record.
   */
  isStuck(views: readonly InputView[]): boolean {
    const common = new Set(this.common().map(locationName));
    const hasResult = this.records.length > 0;
    return this.#inputs.some((input, index) => {
      const view = views[index];
      if (view === undefined) return false;
      const isOpen = view.content === "unknown" || view.content === "computing";
      const isSettled = isExhausted(view) || (hasResult && !view.busy && !isOpen && view.matched);
      return isSettled && [...input.reached.keys()].every((name) => common.has(name));
    });
  }

  /** Fetches the results at all locations of the keys that were not fetched yet. */
  async fetch(keys: readonly CacheKey[]): Promise<void> {
    const locations = this.#unfetched(keys);
    for (const location of locations) this.#fetched.add(locationName(location));
    this.#fetching += 1;
    try {
      for (const { cache, id } of locations)
        this.#records.push(...(await this.#cache.recordsAt(cache, id)).filter((record) => this.#isFresh(record)));
    } finally {
      this.#fetching -= 1;
    }
  }

  /** True if a key has a location whose results were not fetched yet. */
  needsFetch(keys: readonly CacheKey[]): boolean {
    return this.#unfetched(keys).length > 0;
  }

  /** Excludes a record for the rest of the job. */
  reject(record: CacheRecord<R>): void {
    this.#rejected.add(recordName(record));
  }

  /** Forgets fetched results, but not rejections. */
  forgetRecords(): void {
    this.#fetched.clear();
    this.#records.length = 0;
  }

  /**
   * Returns the locations that have a result which is not too old. A key is not found at the others: what depends on it there was
   * made from an old result.
   */
  async #freshAt(locations: readonly Location<R>[]): Promise<readonly Location<R>[]> {
    if (this.#freshness.maxAge === undefined) return locations;
    const fresh: Location<R>[] = [];
    for (const { cache, id } of locations) {
      const records = await this.#cache.recordsAt(cache, id);
      if (records.some((record) => this.#isFresh(record))) fresh.push({ cache, id });
      else for (const record of records) this.#freshness.expired(record);
    }
    return fresh;
  }

  #isFresh({ result }: CacheRecord<R>): boolean {
    const { maxAge } = this.#freshness;
    return maxAge === undefined || Date.now() - result.createdAt <= maxAge;
  }

  #unfetched(keys: readonly CacheKey[]): Location<R>[] {
    const names = keys.flatMap((key) => [...key.locations()]);
    return names.flatMap(([name, id]) => {
      const cache = this.#cache.all().find((one) => one.id === name);
      return cache === undefined || this.#fetched.has(locationName({ cache, id })) ? [] : [{ cache, id }];
    });
  }

  /** Links every key of every input to a record that was found, so that the next search finds it by the cheapest key. */
  async #link(key: CacheKey, to: string): Promise<void> {
    const { main } = this.#cache;
    for (const input of this.#inputs)
      for (const { key: from, selector } of input.alternatives())
        for (const id of from.idsIn(main.id)) {
          const link = { input: input.index, output: key.output, digest: key.digest, selector };
          const probe = { cache: main, id, key: from, link };
          if (input.hasLink(probe, to)) continue;
          input.noteLink(probe, to);
          await main.link(id, link, to);
        }
  }
}

function recordName(record: CacheRecord<unknown>): string {
  return `${record.cache.id} ${record.result.id}`;
}
