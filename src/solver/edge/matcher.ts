import type { CacheRecord } from "../cache/cache-manager.ts";
import { type CombinedCache, preferred } from "../cache/combined-cache.ts";
import { type InputView, isExhausted } from "./explore.ts";
import { type Input, type Location, type Probe, locationName } from "./input.ts";
import type { CacheKey } from "../cache/key.ts";

/** Finds the records of one edge: probes its inputs' keys, keeps what all inputs agree on, fetches their results. */
export class Matcher<R> {
  readonly #cache: CombinedCache<R>;
  readonly #inputs: readonly Input<R>[];
  readonly #rejected = new Set<string>();
  readonly #fetched = new Set<string>();
  readonly #records: CacheRecord<R>[] = [];
  readonly #found = new Set<string>();
  #fetching = 0;

  constructor(cache: CombinedCache<R>, inputs: readonly Input<R>[]) {
    this.#cache = cache;
    this.#inputs = inputs;
  }

  /** Results of records are being asked for. */
  get isFetching(): boolean {
    return this.#fetching > 0;
  }

  /** Caches are being asked. */
  get isBusy(): boolean {
    return this.#fetching > 0 || this.#inputs.some(({ probing }) => probing > 0);
  }

  /** Results that were found and have not failed, the one to take first. */
  get records(): readonly CacheRecord<R>[] {
    const usable = this.#records.filter((record) => !this.#rejected.has(recordName(record)));
    return preferred(usable, this.#cache.main);
  }

  /** Questions nobody has asked yet about these inputs of `key`, by input. */
  takeProbes(key: CacheKey, inputs: readonly Input<R>[]): (readonly [Input<R>, Probe<R>[]])[] {
    const link = { digest: key.digest, output: key.output };
    return inputs
      .map((input) => [input, input.takeProbes(link, this.#cache.all())] as const)
      .filter(([, probes]) => probes.length > 0);
  }

  /** Asks; true if the key was found somewhere it was not known to be. */
  async probe(key: CacheKey, input: Input<R>, probes: readonly Probe<R>[]): Promise<boolean> {
    input.probing += 1;
    try {
      for (const probe of probes) input.note(probe, await this.#cache.follow(probe.cache, probe.id, probe.link));
      const common = this.common();
      for (const { id } of common) this.#found.add(id);
      const isNew = common.map(({ cache, id }) => key.locate(cache.id, id)).includes(true);
      for (const location of common) if (location.cache === this.#cache.main) await this.#link(key, location.id);
      return isNew;
    } finally {
      input.probing -= 1;
    }
  }

  /** Looks a root key up. */
  async find(key: CacheKey): Promise<void> {
    for (const { cache, found } of await this.#cache.find(key))
      for (const id of found) {
        this.#found.add(id);
        key.locate(cache.id, id);
      }
  }

  /** Ids of the records that were found, by keys alone. */
  get found(): readonly string[] {
    return [...this.#found];
  }

  /** The records that every input leads to. */
  common(): Location<R>[] {
    const [first, ...rest] = this.#inputs;
    const found = [...(first?.reached.values() ?? [])];
    return found.filter((location) => {
      const name = locationName(location);
      return rest.every(({ reached }) => reached.has(name));
    });
  }

  /**
   * True if no further record can be found: for some input no key is left to try, and all it leads to is in common
   * already. Once there is a result to take, an input that has a match and no content key counts as such too, so that no
   * content is made in order to find a second one.
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

  /** Fetches the results of the records a key is known by, as far as that was not done. True if there were any to fetch. */
  async fetch(keys: readonly CacheKey[]): Promise<void> {
    const wanted = this.#unfetched(keys);
    for (const location of wanted) this.#fetched.add(locationName(location));
    this.#fetching += 1;
    try {
      for (const { cache, id } of wanted) this.#records.push(...(await this.#cache.recordsAt(cache, id)));
    } finally {
      this.#fetching -= 1;
    }
  }

  needsFetch(keys: readonly CacheKey[]): boolean {
    return this.#unfetched(keys).length > 0;
  }

  reject(record: CacheRecord<R>): void {
    this.#rejected.add(recordName(record));
  }

  /** Forgets what was fetched, not what was rejected. */
  forgetRecords(): void {
    this.#fetched.clear();
    this.#records.length = 0;
  }

  #unfetched(keys: readonly CacheKey[]): Location<R>[] {
    const names = keys.flatMap((key) => [...key.locations()]);
    return names.flatMap(([name, id]) => {
      const cache = this.#cache.all().find((one) => one.id === name);
      return cache === undefined || this.#fetched.has(locationName({ cache, id })) ? [] : [{ cache, id }];
    });
  }

  /** Makes every key of every input lead to a record that one of them has led to, so that the cheapest will do next time. */
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
