import type { CacheRecord } from "../cache/cache-manager.ts";
import type { CombinedCache } from "../cache/combined-cache.ts";
import { contentKey, recordDigest } from "../cache/key.ts";
import { type Location, locationName } from "../edge/edge-input.ts";
import type { KeyDigest, Selector } from "../cache/key-digest.ts";
import type { Digest } from "../../core/index.ts";
import type { CacheMap, SolverVertex } from "../vertex.ts";

/** What is known of one input of a vertex. */
export interface ProbedInput<R> {
  /** Where the input's keys are, as far as records may be searched with them. */
  readonly locations: readonly Location<R>[];
  readonly selector: Selector | "";
  readonly content: Digest | undefined;
}

/** A link without its input and selector. */
export interface ProbedOp {
  readonly digest: KeyDigest;
  readonly output: number;
}

/** Looks keys up in all caches, and changes nothing. */
export class KeyProbe<R> {
  readonly #cache: CombinedCache<R>;

  constructor(cache: CombinedCache<R>) {
    this.#cache = cache;
  }

  /** Returns the record digests of the keys of a vertex without inputs. Session keys are left out: no cache has them. */
  roots(maps: readonly CacheMap<R>[], output: number): string[] {
    return maps.map(({ digest }) => recordDigest(digest, output)).filter((record) => !record.startsWith("random:"));
  }

  /** Returns the locations of root keys, whether or not a cache has records there. */
  rootLocations(records: readonly string[]): Location<R>[] {
    return this.#cache.all().flatMap((cache) => records.map((id) => ({ cache, id })));
  }

  /** Returns the records of the op that an input leads to, by name. */
  async reached(input: ProbedInput<R>, index: number, { digest, output }: ProbedOp): Promise<Map<string, Location<R>>> {
    const { locations, selector, content } = input;
    const record = content === undefined ? [] : [contentKey(content).record];
    const probes = [
      ...locations.map((location) => ({ location, selector })),
      ...this.rootLocations(record).map((location) => ({ location, selector: "" as const })),
    ];
    const reached = new Map<string, Location<R>>();
    for (const { location, selector: part } of probes) {
      const link = { input: index, output, digest, selector: part };
      for (const id of await this.#cache.follow(location.cache, location.id, link)) {
        const found = { cache: location.cache, id };
        reached.set(locationName(found), found);
      }
    }
    return reached;
  }

  /** Returns the records at a location. */
  async recordsAt({ cache, id }: Location<R>): Promise<readonly CacheRecord<R>[]> {
    return await this.#cache.recordsAt(cache, id);
  }

  /** True if no cache has a key of the op. */
  async isUnheardOf({ digest, output }: ProbedOp): Promise<boolean> {
    for (const { keys } of this.#cache.all()) if ((await keys.hasOp?.(digest, output)) !== false) return false;
    return true;
  }
}

/** True if a record is young enough for a vertex. */
export function isFresh<R>({ maxAge }: SolverVertex<R>, { result }: CacheRecord<R>, now: number): boolean {
  return maxAge === undefined || now - result.createdAt <= maxAge;
}
