import { type Descriptor, type Digest, Limits, VarveError } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { ConfigLayer } from "./config.ts";
import { remoteLayer } from "./layer.ts";

/** Maximum number of layers of all results together. Only a malicious document has more. */
const MAX_LISTED = 2_000_000;

/** A layer and the layers below it. */
interface Chain {
  readonly layer: RemoteLayer;
  readonly below: Chain | undefined;
  readonly depth: number;
}

/** The state of a chain with a blob that has no descriptor, or whose descriptor does not tell the diffID. */
const UNUSABLE = "unusable";

/** The layers of a cache config, with the descriptors from the document that lists them. */
export class LayerChains {
  readonly #layers: readonly ConfigLayer[];
  readonly #descriptors: ReadonlyMap<string, Descriptor>;
  readonly #source: string | undefined;
  readonly #chains = new Map<number, Chain | typeof UNUSABLE>();
  readonly #lists = new Map<number, readonly RemoteLayer[] | undefined>();
  readonly #blobs = new Map<string, RemoteLayer | undefined>();
  #listed = 0;

  constructor(layers: readonly ConfigLayer[], descriptors: ReadonlyMap<Digest, Descriptor>, source?: string) {
    this.#layers = layers;
    this.#descriptors = descriptors;
    this.#source = source;
  }

  /**
   * Returns a layer and the layers below it, lowest first, or undefined if they are not usable.
   *
   * @throws {VarveError} `corrupt`, with BuildKit's message, for an index out of range or a loop before the first blob without a
   * descriptor; `limit-exceeded` for too many layers.
   */
  upTo(top: number): readonly RemoteLayer[] | undefined {
    if (this.#lists.has(top)) return this.#lists.get(top);
    const chain = this.#chain(top);
    const layers = chain === UNUSABLE || chain.depth > Limits.layers ? undefined : this.#counted(unrolled(chain));
    this.#lists.set(top, layers);
    return layers;
  }

  /** Returns layers by index, without their parents; undefined if one is not usable. Throws as `upTo`. */
  listed(indices: readonly number[]): readonly RemoteLayer[] | undefined {
    const layers: RemoteLayer[] = [];
    let isUsable = indices.length <= Limits.layers;
    for (const index of indices) {
      const { blob } = this.#at(index);
      if (!this.#isDescribed(blob)) return undefined;
      const layer = this.#blob(blob);
      if (layer === undefined) isUsable = false;
      else if (isUsable) layers.push(layer);
    }
    return isUsable ? this.#counted(layers) : undefined;
  }

  #chain(top: number): Chain | typeof UNUSABLE {
    const path: number[] = [];
    const onPath = new Set<number>();
    let at = top;
    let chain: Chain | typeof UNUSABLE | undefined;
    for (; at !== -1 || path.length === 0; at = this.#at(at).parent) {
      if (onPath.has(at)) throw new VarveError("corrupt", "Cannot read cache config: invalid looping layer");
      const { blob } = this.#at(at);
      const known = this.#chains.get(at);
      chain = known ?? (this.#isDescribed(blob) ? undefined : UNUSABLE);
      if (chain !== undefined) break;
      path.push(at);
      onPath.add(at);
    }
    for (const index of path.toReversed()) {
      const layer = this.#blob(this.#at(index).blob);
      if (layer === undefined || chain === UNUSABLE) chain = UNUSABLE;
      else chain = { layer, below: chain, depth: (chain?.depth ?? 0) + 1 };
      this.#chains.set(index, chain);
    }
    return chain ?? UNUSABLE;
  }

  #at(index: number): ConfigLayer {
    const layer = this.#layers[index];
    if (layer === undefined) throw new VarveError("corrupt", `Cannot read cache config: invalid layer index ${index}`);
    return layer;
  }

  #isDescribed(blob: string): boolean {
    return this.#descriptors.has(blob);
  }

  #blob(blob: string): RemoteLayer | undefined {
    if (this.#blobs.has(blob)) return this.#blobs.get(blob);
    const descriptor = this.#descriptors.get(blob);
    const layer = descriptor && remoteLayer(descriptor, this.#source);
    this.#blobs.set(blob, layer);
    return layer;
  }

  #counted(layers: readonly RemoteLayer[]): readonly RemoteLayer[] {
    this.#listed += layers.length;
    if (this.#listed <= MAX_LISTED) return layers;
    throw new VarveError("limit-exceeded", `Cannot read cache config: its results have more than ${MAX_LISTED} layers`);
  }
}

function unrolled(top: Chain): RemoteLayer[] {
  const layers: RemoteLayer[] = [];
  for (let chain: Chain | undefined = top; chain !== undefined; chain = chain.below) layers.push(chain.layer);
  return layers.reverse();
}
