import { type Descriptor, type Digest, Limits, VarveError } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { ConfigLayer } from "./config.ts";
import { remoteLayer } from "./layer.ts";

/** Layers of all results together. More are a document made to fill memory. */
const MAX_LISTED = 2_000_000;

/** A layer with those below it, or `unusable`: a blob is not among the descriptors or says no diffID. */
type Chain = { readonly layer: RemoteLayer; readonly below: Chain | undefined; readonly depth: number } | "unusable";

/** The layers of a cache config with the descriptors that its container lists. */
export class LayerChains {
  readonly #layers: readonly ConfigLayer[];
  readonly #descriptors: ReadonlyMap<Digest, Descriptor>;
  readonly #source: string | undefined;
  readonly #chains = new Map<number, Chain>();
  readonly #lists = new Map<number, readonly RemoteLayer[] | undefined>();
  readonly #blobs = new Map<string, RemoteLayer | undefined>();
  #listed = 0;

  constructor(layers: readonly ConfigLayer[], descriptors: ReadonlyMap<Digest, Descriptor>, source?: string) {
    this.#layers = layers;
    this.#descriptors = descriptors;
    this.#source = source;
  }

  /**
   * A layer and its ancestors, lowest first; undefined if they cannot be used. Throws `corrupt`, in BuildKit's words, for an
   * index out of range and for a loop, up to the first blob that nothing describes.
   */
  upTo(top: number): readonly RemoteLayer[] | undefined {
    if (this.#lists.has(top)) return this.#lists.get(top);
    const chain = this.#chain(top);
    const layers = chain === "unusable" || chain.depth > Limits.layers ? undefined : this.#counted(unrolled(chain));
    this.#lists.set(top, layers);
    return layers;
  }

  /** Layers by index, whatever their parents; undefined if one cannot be used. Throws as `upTo`. */
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

  #chain(top: number): Chain {
    const path: number[] = [];
    const onPath = new Set<number>();
    let at = top;
    let chain: Chain | undefined;
    for (; at !== -1 || path.length === 0; at = this.#at(at).parent) {
      if (onPath.has(at)) throw new VarveError("corrupt", "Cannot read cache config: invalid looping layer");
      const { blob } = this.#at(at);
      const known = this.#chains.get(at);
      chain = known ?? (this.#isDescribed(blob) ? undefined : "unusable");
      if (chain !== undefined) break;
      path.push(at);
      onPath.add(at);
    }
    for (const index of path.toReversed()) {
      const layer = this.#blob(this.#at(index).blob);
      const isUsable = layer !== undefined && chain !== "unusable";
      chain = isUsable
        ? { layer, below: chain as Exclude<Chain, string> | undefined, depth: depthOf(chain) + 1 }
        : "unusable";
      this.#chains.set(index, chain);
    }
    return chain ?? "unusable";
  }

  #at(index: number): ConfigLayer {
    const layer = this.#layers[index];
    if (layer === undefined) throw new VarveError("corrupt", `Cannot read cache config: invalid layer index ${index}`);
    return layer;
  }

  #isDescribed(blob: string): boolean {
    return this.#descriptors.has(blob as Digest);
  }

  #blob(blob: string): RemoteLayer | undefined {
    if (this.#blobs.has(blob)) return this.#blobs.get(blob);
    const descriptor = this.#descriptors.get(blob as Digest);
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

function depthOf(chain: Chain | undefined): number {
  return chain === undefined || chain === "unusable" ? 0 : chain.depth;
}

function unrolled(top: Exclude<Chain, string>): RemoteLayer[] {
  const layers: RemoteLayer[] = [];
  for (let at: Chain | undefined = top; at !== undefined && at !== "unusable"; at = at.below) layers.push(at.layer);
  return layers.reverse();
}
