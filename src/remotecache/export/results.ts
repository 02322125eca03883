import { VarveError, isVarveError } from "../../core/index.ts";
import { Semaphore } from "../../io/index.ts";
import type { LayerBlob } from "../../record/index.ts";
import type { CacheKey, CacheManager, CacheRecord } from "../../solver/index.ts";
import type { CacheResult } from "../document/graph-types.ts";
import { nameOfStep } from "../document/names.ts";
import { timeFromMilliseconds } from "../document/time.ts";
import { remoteLayer } from "./layer.ts";
import type { Ordered } from "./order.ts";
import type { Point } from "./points.ts";

/**
 * The layers of a record, lowest first; undefined, or an error that says that something is not there, if they cannot be
 * had. Without `create` no blob is made that does not exist.
 */
export type LayersOf<R> = (
  record: CacheRecord<R>,
  options: { readonly create: boolean },
) => Promise<readonly LayerBlob[] | undefined>;

export interface ResultOptions<R> {
  readonly mode: "min" | "max";
  readonly layersOf: LayersOf<R>;
  /** What people call the step whose result these layers are; undefined: no name is written. */
  readonly nameOf?: ((layers: readonly LayerBlob[]) => string | undefined) | undefined;
  /** False: the layer's bytes are here no more and nowhere else either. Asked once a blob. Default: they can be had. */
  readonly canFetch?: ((layer: LayerBlob) => Promise<boolean>) | undefined;
  /** Layers were compressed anew: they do not carry the time of what they were made from. */
  readonly omitLayerTimes?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is found for a record. */
export interface NamedResult {
  readonly result: CacheResult;
  readonly name: string | undefined;
}

/** Records whose layers are asked for at a time. */
const CONCURRENCY = 8;
/** Results of one record that are tried. */
const MAX_CANDIDATES = 16;

/** Finds the result of each record: the newest of which every blob can be had. */
export class Results<R> {
  readonly #caches: ReadonlyMap<string, CacheManager<R>>;
  readonly #options: ResultOptions<R>;
  readonly #slots = new Semaphore(CONCURRENCY);
  readonly #fetchable = new Map<string, Promise<boolean>>();

  constructor(caches: ReadonlyMap<string, CacheManager<R>>, options: ResultOptions<R>) {
    this.#caches = caches;
    this.#options = options;
  }

  /**
   * `max` makes blobs for every record. `min` makes them from the tops down until a record has yielded a result: what is
   * below has one only if its blobs exist. Roots never have one.
   */
  async of(points: Ordered, tops: readonly Point[]): Promise<ReadonlyMap<Point, NamedResult>> {
    const results = new Map<Point, NamedResult>();
    const take = async (point: Point, create: boolean): Promise<void> => {
      const result = await this.#slots.run(() => this.#best(point, create), this.#options.signal);
      if (result !== undefined) results.set(point, result);
    };
    const consumersFirst = [...points.keys()].reverse();
    if (this.#options.mode === "max") {
      await all(consumersFirst.map((point) => take(point, true)));
      return results;
    }
    const first = new Set(tops.filter((top) => points.has(top)));
    await all([...first].map((top) => take(top, true)));
    const creating = new Set(first);
    const rest: Point[] = [];
    for (const point of consumersFirst) {
      if (!creating.has(point)) rest.push(point);
      else if (!first.has(point)) await take(point, true);
      if (creating.has(point) && !results.has(point))
        for (const link of points.get(point)?.flat() ?? []) creating.add(link.point);
    }
    await all(rest.map((point) => take(point, false)));
    return results;
  }

  async #best({ key }: Point, create: boolean): Promise<NamedResult | undefined> {
    if (key === undefined || key.isRoot || !key.exportResult) return undefined;
    const candidates = await this.#candidates(key);
    for (const record of candidates.slice(0, MAX_CANDIDATES)) {
      const layers = await this.#layers(record, create);
      if (layers !== undefined && layers.length > 0) return this.#named(layers, record);
    }
    return undefined;
  }

  #named(layers: readonly LayerBlob[], { result: { createdAt } }: CacheRecord<R>): NamedResult {
    const { nameOf, omitLayerTimes = false } = this.#options;
    const described = layers.map((layer) => remoteLayer(layer, { omitTime: omitLayerTimes }));
    const name = nameOf?.(layers);
    return {
      result: { layers: described, createdAt: timeFromMilliseconds(createdAt) },
      name: name === undefined ? undefined : nameOfStep(name),
    };
  }

  /** Newest first; of the same time, in the order of the caches. */
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

/** True for what says that bytes cannot be had, false for what is wrong with this machine or with the caller. */
export function isUnobtainable(error: unknown): boolean {
  return isVarveError(error, "not-found", "remote", "unauthorized", "corrupt", "limit-exceeded");
}

/** As `Promise.all`, but nothing runs on when it has settled. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed === undefined) return;
  throw failed.reason instanceof Error
    ? failed.reason
    : new VarveError("internal", "Cannot export a cache", { cause: failed.reason });
}
