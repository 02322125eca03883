import { VarveError } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { CacheResultStore, LoadedResult, ResultContext, StoredResult } from "../../solver/index.ts";
import { layersName } from "../document/graph-node.ts";
import type { CacheNode } from "../document/graph-types.ts";
import type { ImportIndex } from "./import-index.ts";
import type { MissingResults } from "./missing-results.ts";

/** What `ImportedResults.load` gets besides the layers. */
export interface LoadHint extends ResultContext {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Makes results for an imported cache. */
export interface ImportedResults<R> {
  /** Makes a result from layers, lowest first. Their blobs need not be on this machine. */
  load(layers: readonly RemoteLayer[], hint: LoadHint): Promise<R>;
}

/** Maximum number of ancestors that are searched for results that come along with a result. */
const MAX_ANCESTORS = 20_000;

/** The result store of an import. It is read-only. The id of a result is the digest of its list of blobs. */
export class ImportedResultStore<R> implements CacheResultStore<R> {
  readonly #index: Promise<ImportIndex>;
  readonly #missing: MissingResults;
  readonly #source: ImportedResults<R>;

  constructor(index: Promise<ImportIndex>, missing: MissingResults, source: ImportedResults<R>) {
    this.#index = index;
    this.#missing = missing;
    this.#source = source;
  }

  /** Stores nothing. */
  save(): undefined {
    return undefined;
  }

  async exists(result: string): Promise<boolean> {
    return !this.#missing.has(result, await this.#index);
  }

  async load({ id, createdAt }: StoredResult, context: ResultContext): Promise<R> {
    return await this.#source.load(this.#layers(id, await this.#index), { ...context, createdAt });
  }

  /** Also returns the results of ancestors whose layers are the lowest layers of the result. */
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

  /** Yields the ancestors of a key that have a result among `wanted`, with that result. */
  *#parents(key: string, wanted: ReadonlySet<string>, index: ImportIndex): Generator<[string, StoredResult]> {
    const top = index.get(key)?.node;
    const visited = new Set<CacheNode>(top && [top]);
    for (const node of visited) {
      if (visited.size < MAX_ANCESTORS) for (const link of node.inputs.flat()) visited.add(link.node);
      const id = index.idOf(node);
      const parent = node === top ? undefined : index.get(id)?.results.find((one) => wanted.has(one.id));
      if (parent !== undefined && !this.#missing.has(parent.id, index)) yield [id, parent];
    }
  }

  #layers(id: string, index: ImportIndex): readonly RemoteLayer[] {
    const layers = this.#missing.has(id, index) ? undefined : index.layers(id);
    if (layers !== undefined) return layers;
    throw new VarveError("not-found", `Cannot load imported result ${id}: it does not exist`);
  }
}
