import { type LocalImages, findImage, holdImage } from "../images/index.ts";
import type { LocalImage } from "../image/index.ts";
import { type Platform, VarveError, isVarveError, throwIfAborted } from "../core/index.ts";
import type { Hold } from "../record/index.ts";
import { type Candidate, candidatesFor } from "./candidate.ts";
import { firstOfLongestChain } from "./longest-chain.ts";
import { type ParentImage, type SourceMiss, whyNoMatch } from "./source-match.ts";
import type { Following, ProbeAnswer, ProbeStep } from "./types.ts";

export interface CacheOptions {
  /** The stage's base image; undefined for `FROM scratch`. */
  readonly base: LocalImage | undefined;
  /** The stage's platform. */
  readonly platform: Platform;
  /** Names, digests or ids of images whose steps may be used (cache sources). Missing images are ignored. */
  readonly cacheFrom?: readonly string[] | undefined;
  /** If true, every step is a miss. */
  readonly noCache?: boolean | undefined;
}

const MISS: ProbeAnswer = { kind: "miss" };

/** A cache source by the name that it was given. Without an image: it is not in the store. */
interface NamedSource {
  readonly name: string;
  readonly image: LocalImage | undefined;
}

/** Finds the images of `cacheFrom` in the store. The lease keeps them. */
async function openSources(options: CacheOptions, store: LocalImages, hold: Hold): Promise<NamedSource[]> {
  const sources: NamedSource[] = [];
  for (const name of options.noCache === true ? [] : (options.cacheFrom ?? [])) {
    throwIfAborted(hold.signal, "look for cache sources");
    const image = await findSource(name, options.platform, store);
    sources.push({ name, image: image !== undefined && holdImage(image, store, hold) ? image : undefined });
  }
  return sources;
}

async function findSource(name: string, platform: Platform, store: LocalImages): Promise<LocalImage | undefined> {
  try {
    return (await findImage(store, name, platform))?.image;
  } catch (error) {
    if (isVarveError(error, "invalid-argument")) return undefined;
    throw error;
  }
}

/**
 * The image cache of one stage. It is asked for each step in order. After a miss, all further steps are misses.
 *
 * @example
 * const cache = await ClassicCache.open({ base, platform }, store, { lease, signal });
 * const answer = await cache.probe({ config, runConfig, platform });
 * if (answer.kind === "hit") console.log(answer.image.id);
 */
export class ClassicCache {
  readonly #store: LocalImages;
  readonly #named: readonly NamedSource[];
  readonly #sources: readonly LocalImage[];
  readonly #hold: Hold;
  #current: LocalImage | undefined;
  #missed: boolean;

  private constructor(options: CacheOptions, named: readonly NamedSource[], store: LocalImages, hold: Hold) {
    this.#store = store;
    this.#named = named;
    this.#sources = named.flatMap(({ image }) => image ?? []);
    this.#hold = hold;
    this.#current = options.base;
    this.#missed = options.noCache === true;
  }

  /**
   * Opens the cache. `hold.lease` keeps the base, the cache sources, and every image that `probe` returns.
   * @throws {VarveError} `not-found` if the base was removed; `cancelled`.
   */
  static async open(options: CacheOptions, store: LocalImages, hold: Hold): Promise<ClassicCache> {
    const { base } = options;
    if (base !== undefined && !holdImage(base, store, hold))
      throw new VarveError("not-found", `Cannot build on image ${base.id}: it was removed`);
    return new ClassicCache(options, await openSources(options, store, hold), store, hold);
  }

  /**
   * Looks up the image of the stage's next step. If several images match, the one that allows most further hits is chosen:
   * `following` is called for one step after the other until only one remains. An error of `following` counts as the stage's
   * end; the builder reports it when it gets to that step. Without `following`, the newest image is chosen.
   * @throws {VarveError} `cancelled`.
   */
  async probe(step: ProbeStep, following?: Following): Promise<ProbeAnswer> {
    if (this.#missed) return MISS;
    let options = await this.#after(this.#current, step);
    while (options.length > 0) {
      const chosen = await firstOfLongestChain(options, (after, n) => this.#extend(after, n, following));
      const image = await chosen?.take(this.#current, this.#hold);
      if (chosen !== undefined && image !== undefined) {
        this.#current = image;
        return { kind: "hit", image, how: chosen.how };
      }
      options = options.filter((option) => option !== chosen);
    }
    this.#missed = true;
    return MISS;
  }

  /** Returns why each cache source has nothing for a step, after `probe` missed for the first time. Without `why`: it is not in the store. */
  sourceMisses(step: ProbeStep): { readonly name: string; readonly why?: SourceMiss | undefined }[] {
    return this.#named.map(({ name, image }) => ({
      name,
      ...(image && { why: whyNoMatch(image, step, this.#current, this.#store) }),
    }));
  }

  async #after(below: ParentImage | undefined, step: ProbeStep): Promise<Candidate[]> {
    throwIfAborted(this.#hold.signal, "look a step up");
    return await candidatesFor(step, below, this.#sources, this.#store);
  }

  async #extend(
    after: readonly Candidate[],
    n: number,
    following: Following | undefined,
  ): Promise<ReadonlyMap<Candidate, readonly Candidate[]> | undefined> {
    const step = await following?.(n).catch(() => undefined);
    if (step === undefined) return undefined;
    const next = await Promise.all(after.map(async (each) => [each, await this.#after(each, step)] as const));
    return new Map(next);
  }
}
