import { type LocalImages, findImage, holdImage } from "../images/index.ts";
import type { LocalImage } from "../image/index.ts";
import { type Platform, VarveError, isVarveError, throwIfAborted } from "../core/index.ts";
import type { Hold } from "../record/index.ts";
import { type Candidate, candidatesFor } from "./candidate.ts";
import { firstOfLongestChain } from "./longest-chain.ts";
import type { Below } from "./source-match.ts";
import type { Following, ProbeAnswer, ProbeStep } from "./types.ts";

export interface CacheOptions {
  /** What the stage is built upon; undefined for `FROM scratch`. */
  readonly base: LocalImage | undefined;
  /** Of the stage. */
  readonly platform: Platform;
  /** Names, digests or ids of images whose steps may be taken. Those that are not here are passed over. */
  readonly cacheFrom?: readonly string[] | undefined;
  /** True: nothing ever hits. */
  readonly noCache?: boolean | undefined;
}

const MISS: ProbeAnswer = { kind: "miss" };

/** The images of `cacheFrom` that are here, kept by the lease. */
async function openSources(options: CacheOptions, store: LocalImages, hold: Hold): Promise<LocalImage[]> {
  const sources: LocalImage[] = [];
  for (const name of options.noCache === true ? [] : (options.cacheFrom ?? [])) {
    throwIfAborted(hold.signal, "look for cache sources");
    const image = await findSource(name, options.platform, store);
    if (image !== undefined && holdImage(image, store, hold)) sources.push(image);
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

/** The image cache of one stage. It follows the stage step by step; after a miss nothing is looked up any more. */
export class ClassicCache {
  readonly #store: LocalImages;
  readonly #sources: readonly LocalImage[];
  readonly #hold: Hold;
  #current: LocalImage | undefined;
  #over: boolean;

  private constructor(options: CacheOptions, sources: readonly LocalImage[], store: LocalImages, hold: Hold) {
    this.#store = store;
    this.#sources = sources;
    this.#hold = hold;
    this.#current = options.base;
    this.#over = options.noCache === true;
  }

  /**
   * `hold.lease` keeps the base, the sources, and every image that is answered. Throws `not-found` if the base has gone, and
   * `cancelled`.
   */
  static async open(options: CacheOptions, store: LocalImages, hold: Hold): Promise<ClassicCache> {
    const { base } = options;
    if (base !== undefined && !holdImage(base, store, hold))
      throw new VarveError("not-found", `Cannot build on image ${base.id}: it was removed`);
    return new ClassicCache(options, await openSources(options, store, hold), store, hold);
  }

  /**
   * The image that the next step of the stage would make, if it is known. Where several are, `following` is asked for the
   * steps to come, one after the other, until it shows which chain leads furthest; a failure of it counts as an end, and
   * is the builder's own to report once it gets there. Without it the newest image is taken.
   */
  async probe(step: ProbeStep, following?: Following): Promise<ProbeAnswer> {
    if (this.#over) return MISS;
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
    this.#over = true;
    return MISS;
  }

  async #after(below: Below | undefined, step: ProbeStep): Promise<Candidate[]> {
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
