import { VarveError, isVarveError } from "../../core/index.ts";
import { Semaphore } from "../../io/index.ts";
import type { LayerBlob } from "../../record/index.ts";
import type { CacheKey, CacheManager, CacheRecord } from "../../solver/index.ts";
import type { CacheResult } from "../document/graph-types.ts";
import type { CacheNote } from "../document/notes.ts";
import { normalizeStepName } from "../document/names.ts";
import { timeFromMilliseconds } from "../document/time.ts";
import { exportedLayer } from "./exported-layer.ts";
import type { SortedKeys } from "./sorted-keys.ts";
import type { ExportKey } from "./export-keys.ts";

/**
 * Returns the layers of a record, lowest first. Returns undefined, or throws an error for which `isUnobtainable` is true, if they
 * are not available. Without `create` it creates no blobs.
 */
export type LayersOf<R> = (
  record: CacheRecord<R>,
  options: { readonly create: boolean },
) => Promise<readonly LayerBlob[] | undefined>;

/** Options of `exportGraph`. */
export interface ResultOptions<R> {
  /** `max` exports the results of all records; `min` creates blobs only for the results of the build. */
  readonly mode: "min" | "max";
  readonly layersOf: LayersOf<R>;
  /** Returns the name of the step that made these layers, or undefined to write no name. */
  readonly stepName?: ((layers: readonly LayerBlob[]) => string | undefined) | undefined;
  /** Returns the note of a record, from its digest and the id of one of its results. Undefined: no notes are exported. */
  readonly noteOf?: ((record: string, result: string) => Promise<CacheNote | undefined>) | undefined;
  /** Returns false if the bytes of a layer are not available anywhere. Called once for each blob. Default: always true. */
  readonly canFetch?: ((layer: LayerBlob) => Promise<boolean>) | undefined;
  /** True: leave out the times of layers, because they were recompressed. */
  readonly omitLayerTimes?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The result of a record and the name of its step. */
export interface NamedResult {
  readonly result: CacheResult;
  readonly name: string | undefined;
}

/** Maximum number of records that are processed at the same time. */
const CONCURRENCY = 8;
/** Maximum number of results that are tried for one record. */
const MAX_CANDIDATES = 16;

/** Finds the result of each record: the newest one whose blobs are all available. */
export class ResultFinder<R> {
  readonly #caches: ReadonlyMap<string, CacheManager<R>>;
  readonly #options: ResultOptions<R>;
  readonly #slots = new Semaphore(CONCURRENCY);
  readonly #fetchable = new Map<string, Promise<boolean>>();

  constructor(caches: ReadonlyMap<string, CacheManager<R>>, options: ResultOptions<R>) {
    this.#caches = caches;
    this.#options = options;
  }

  /**
   * Returns the results by key. `max` creates blobs for every record. `min` creates them from the tops downwards until a record has
   * a result; records below have one only if their blobs exist. Roots have no results.
   */
  async of(keys: SortedKeys, tops: readonly ExportKey[]): Promise<ReadonlyMap<ExportKey, NamedResult>> {
    const results = new Map<ExportKey, NamedResult>();
    const find = async (key: ExportKey, create: boolean): Promise<void> => {
      const result = await this.#slots.run(() => this.#best(key, create), this.#options.signal);
      if (result !== undefined) results.set(key, result);
    };
    const consumersFirst = [...keys.keys()].reverse();
    if (this.#options.mode === "max") {
      await all(consumersFirst.map((key) => find(key, true)));
      return results;
    }
    const first = new Set(tops.filter((top) => keys.has(top)));
    await all([...first].map((top) => find(top, true)));
    const creating = new Set(first);
    const rest: ExportKey[] = [];
    for (const key of consumersFirst) {
      if (!creating.has(key)) rest.push(key);
      else if (!first.has(key)) await find(key, true);
      if (creating.has(key) && !results.has(key))
        for (const link of keys.get(key)?.flat() ?? []) creating.add(link.from);
    }
    await all(rest.map((key) => find(key, false)));
    return results;
  }

  async #best({ key }: ExportKey, create: boolean): Promise<NamedResult | undefined> {
    if (key === undefined || key.isRoot || !key.exportResult) return undefined;
    const candidates = await this.#candidates(key);
    for (const record of candidates.slice(0, MAX_CANDIDATES)) {
      const layers = await this.#layers(record, create);
      if (layers !== undefined && layers.length > 0) return this.#named(layers, record);
    }
    return undefined;
  }

  #named(layers: readonly LayerBlob[], { result: { createdAt } }: CacheRecord<R>): NamedResult {
    const { stepName, omitLayerTimes = false } = this.#options;
    const described = layers.map((layer) => exportedLayer(layer, { omitTime: omitLayerTimes }));
    const name = stepName?.(layers);
    return {
      result: { layers: described, createdAt: timeFromMilliseconds(createdAt) },
      name: name === undefined ? undefined : normalizeStepName(name),
    };
  }

  /** Returns the records of a key, newest first. Records of the same time keep the order of the caches. */
  async #candidates(key: CacheKey): Promise<CacheRecord<R>[]> {
    const found: CacheRecord<R>[] = [];
    for (const cache of this.#caches.values())
      for (const id of key.idsIn(cache.id)) found.push(...(await cache.recordsAt(id)));
    return found.sort((a, b) => b.result.createdAt - a.result.createdAt);
  }

  async #layers(record: CacheRecord<R>, create: boolean): Promise<readonly LayerBlob[] | undefined> {
    const { layersOf } = this.#options;
    try {
      const layers = await layersOf(record, { create });
      if (layers === undefined) return undefined;
      for (const layer of layers) if (!(await this.#canFetch(layer))) return undefined;
      return layers;
    } catch (error) {
      if (isUnobtainable(error)) return undefined;
      throw error;
    }
  }

  #canFetch(layer: LayerBlob): Promise<boolean> {
    const { canFetch } = this.#options;
    if (canFetch === undefined) return Promise.resolve(true);
    const { digest } = layer.descriptor;
    const known = this.#fetchable.get(digest) ?? canFetch(layer);
    this.#fetchable.set(digest, known);
    return known;
  }
}

/** True for an error that means that bytes are not available; false for an error of this machine or of the caller. */
export function isUnobtainable(error: unknown): boolean {
  return isVarveError(error, "not-found", "remote", "unauthorized", "corrupt", "limit-exceeded");
}

/** Like `Promise.all`, but it settles only after all promises have settled. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed === undefined) return;
  throw failed.reason instanceof Error
    ? failed.reason
    : new VarveError("internal", "Cannot export a cache", { cause: failed.reason });
}
