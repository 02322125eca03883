import { type RecordRow, stepOfLayers, recordUsage } from "../record/index.ts";
import type { Store } from "../engine/index.ts";
import { RecordKeyStore } from "../cache/index.ts";
import { type StoredResult, recordDigest } from "../solver/index.ts";
import { type CacheEntry, type CacheListing, presence, sorted } from "./entry.ts";

/** See `listCache`. */
export async function listLocal(store: Store, signal?: AbortSignal): Promise<CacheListing> {
  const { state, records, content, snapshotter } = store;
  const usage = await recordUsage({ state, table: records.table, content, snapshotter }, signal);
  const listing = new LocalListing(store, new Map(usage.map(({ id, size }) => [id, size])));
  return { name: "local", scopes: [], ...listing.list() };
}

class LocalListing {
  readonly #store: Store;
  readonly #keys: RecordKeyStore;
  readonly #sizes: ReadonlyMap<string, number>;

  constructor(store: Store, sizes: ReadonlyMap<string, number>) {
    this.#store = store;
    this.#keys = new RecordKeyStore(store.state);
    this.#sizes = sizes;
  }

  list(): Pick<CacheListing, "entries" | "size"> {
    const rows = new Map<string, RecordRow>();
    const entries: CacheEntry[] = [];
    for (const key of this.#keys.walk()) {
      const found = this.#newest(key);
      if (found === undefined) continue;
      entries.push(this.#entry(key, found));
      for (const row of found.layers) rows.set(row.id, row);
    }
    return { entries: sorted(entries), size: this.#sum(rows.values()) };
  }

  #entry(key: string, { result, layers }: Found): CacheEntry {
    const backlinks = this.#keys.backlinks(key);
    const [first] = backlinks;
    const inputs = Map.groupBy(backlinks, ({ link }) => link.input);
    return {
      record: first === undefined ? key : recordDigest(first.link.digest, first.link.output),
      step: stepOfLayers(layers),
      inputs: [...inputs].sort(([a], [b]) => a - b).map(([, links]) => this.#input(links.map(({ from }) => from))),
      layers: layers.length,
      size: this.#sum(layers),
      createdAt: result.createdAt,
      sources: [...new Set(layers.flatMap(({ blob }) => blob?.sources ?? []))],
      here: presence(result.id, this.#store),
    };
  }

  #input(keys: readonly string[]): string {
    const steps = keys.flatMap((key) => stepOfLayers(this.#newest(key)?.layers ?? []) ?? []).sort();
    return steps[0] ?? keys.toSorted()[0] ?? "";
  }

  /** The newest result of a key that still exists. Scratch has no layers and serves as well. */
  #newest(key: string): Found | undefined {
    for (const result of this.#keys.results(key)) {
      if (result.id === "" || this.#store.records.get(result.id) !== undefined)
        return { result, layers: result.id === "" ? [] : this.#store.records.layers(result.id) };
    }
    return undefined;
  }

  #sum(rows: Iterable<RecordRow>): number {
    let sum = 0;
    for (const { id, blob } of rows) sum += blob?.size ?? this.#sizes.get(id) ?? 0;
    return sum;
  }
}

interface Found {
  readonly result: StoredResult;
  readonly layers: readonly RecordRow[];
}
