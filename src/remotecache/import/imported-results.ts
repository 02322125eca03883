import { VarveError } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { CacheResultStore, LoadedResult, ResultContext, StoredResult } from "../../solver/index.ts";
import { layersName } from "../document/graph-node.ts";
import type { CacheNode } from "../document/graph-types.ts";
import type { ImportIndex } from "./import-index.ts";
import type { Losses } from "./losses.ts";

/** What is told of a result besides its layers when it is loaded. */
export interface LoadHint extends ResultContext {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface ImportedResults<R> {
  /** Makes a result of layers, lowest first, that need not be on this machine. */
  load(layers: readonly RemoteLayer[], hint: LoadHint): Promise<R>;
}

/** Records below a result that are looked at for results that come along with it. */
const MAX_ANCESTORS = 20_000;

/** The results of an import, by the name of their list of blobs. */
export class ImportedResultStore<R> implements CacheResultStore<R> {
  readonly #index: Promise<ImportIndex>;
  readonly #losses: Losses;
  readonly #source: ImportedResults<R>;

  constructor(index: Promise<ImportIndex>, losses: Losses, source: ImportedResults<R>) {
    this.#index = index;
    this.#losses = losses;
    this.#source = source;
  }

  /** Keeps nothing. */
  save(): undefined {
    return undefined;
  }

  async exists(result: string): Promise<boolean> {
    return !this.#losses.has(result, await this.#index);
  }

  async load({ id, createdAt }: StoredResult, context: ResultContext): Promise<R> {
    return await this.#source.load(this.#layers(id, await this.#index), { ...context, createdAt });
  }

  /** What the result's record is made of comes along as far as its layers are the lowest ones of the result's. */
  async loadWithParents(
    key: string,
    stored: StoredResult,
    context: ResultContext,
  ): Promise<ReadonlyMap<string, LoadedResult<R>>> {
    const index = await this.#index;
    const made = new Map<string, R>();
    const load = async ({ id, createdAt }: StoredResult): Promise<LoadedResult<R>> => {
      const result = made.get(id) ?? (await this.#source.load(this.#layers(id, index), { ...context, createdAt }));
      made.set(id, result);
      return { result, createdAt };
    };
    const layers = this.#layers(stored.id, index);
    const prefixes = new Set(layers.map((_, at) => layersName(layers.slice(0, at + 1))));
    const loaded = new Map([[key, await load(stored)]]);
    for (const [id, parent] of this.#parents(key, prefixes, index)) loaded.set(id, await load(parent));
    return loaded;
  }

  /** Records that a key is made of, with the result each has among `wanted`. */
  *#parents(key: string, wanted: ReadonlySet<string>, index: ImportIndex): Generator<[string, StoredResult]> {
    const top = index.get(key)?.node;
    const seen = new Set<CacheNode>(top && [top]);
    for (const node of seen) {
      if (seen.size < MAX_ANCESTORS) for (const link of node.inputs.flat()) seen.add(link.node);
      const id = index.idOf(node);
      const parent = node === top ? undefined : index.get(id)?.results.find((one) => wanted.has(one.id));
      if (parent !== undefined && !this.#losses.has(parent.id, index)) yield [id, parent];
    }
  }

  #layers(id: string, index: ImportIndex): readonly RemoteLayer[] {
    const layers = this.#losses.has(id, index) ? undefined : index.layers(id);
    if (layers !== undefined) return layers;
    throw new VarveError("not-found", `Cannot load imported result ${id}: it does not exist`);
  }
}
