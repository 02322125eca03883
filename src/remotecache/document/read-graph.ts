import { type Descriptor, type Digest, VarveError } from "../../core/index.ts";
import type { CacheConfig, ConfigRecord } from "./config.ts";
import { CacheGraph } from "./graph.ts";
import type { CacheNode, CacheResult } from "./graph-types.ts";
import { LayerChains } from "./layer-chains.ts";
import { nameOfStep } from "./names.ts";

export interface LoadedGraph {
  readonly graph: CacheGraph;
  /** The node of each record, by its index. A record of a session's key (`random:`) has none. */
  readonly nodes: readonly (CacheNode | undefined)[];
}

const corrupt = (state: string): VarveError => new VarveError("corrupt", `Cannot read cache config: ${state}`);

/**
 * The graph a cache config describes. Checks what BuildKit checks, in its order, and throws `corrupt` with its words; any
 * such error costs the whole document. A result is left out if a blob of it is not among the descriptors, or if its
 * descriptor lacks the diffID. `source` is where the blobs are to be had from.
 */
export function loadGraph(
  config: CacheConfig,
  layersByDigest: ReadonlyMap<Digest, Descriptor>,
  source?: string,
): LoadedGraph {
  const loader = new GraphLoader(config, new LayerChains(config.layers, layersByDigest, source));
  for (const index of config.records.keys()) loader.load(index);
  const { graph } = loader;
  return { graph, nodes: config.records.map((_, index) => loader.node(index)) };
}

/** As `loadGraph`, for whom the indices say nothing. */
export function graphOf(
  config: CacheConfig,
  layersByDigest: ReadonlyMap<Digest, Descriptor>,
  source?: string,
): CacheGraph {
  return loadGraph(config, layersByDigest, source).graph;
}

interface Visit {
  readonly index: number;
  readonly record: ConfigRecord;
  /** Links that are still to be followed. */
  readonly links: Iterator<number>;
}

class GraphLoader {
  readonly graph: CacheGraph = new CacheGraph();
  readonly #records: readonly ConfigRecord[];
  readonly #names: readonly string[];
  readonly #layers: LayerChains;
  /** Undefined: being visited, or not kept. */
  readonly #nodes = new Map<number, CacheNode | undefined>();

  constructor({ records, names }: CacheConfig, layers: LayerChains) {
    this.#records = records;
    this.#names = names;
    this.#layers = layers;
  }

  /** What became of a record. */
  node(index: number): CacheNode | undefined {
    const node = this.#nodes.get(index);
    return node && this.graph.current(node);
  }

  /** Adds a record and all it is made of, depth first, without recursion. */
  load(top: number): void {
    if (this.#nodes.has(top)) return;
    const path: Visit[] = [];
    this.#enter(top, path);
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const next = visit.links.next();
      if (next.done === true) {
        path.pop();
        this.#add(visit);
      } else if (!this.#nodes.has(next.value)) this.#enter(next.value, path);
      else if (this.#nodes.get(next.value) === undefined) throw corrupt("invalid looping record");
    }
  }

  #enter(index: number, path: Visit[]): void {
    const record = this.#records[index];
    if (record === undefined) throw corrupt(`invalid record ID: ${index}`);
    this.#nodes.set(index, undefined);
    if (record.digest.startsWith("random:")) {
      if (path.length > 0) throw corrupt("invalid looping record");
      return;
    }
    path.push({ index, record, links: linksOf(record, index) });
  }

  #add({ index, record }: Visit): void {
    const results = this.#results(record);
    const inputs = record.inputs.map((links) =>
      links.map(({ selector, link }) => ({ selector, node: this.#nodes.get(link) as CacheNode })),
    );
    const name = nameOfStep(this.#names[index] ?? "");
    this.#nodes.set(index, this.graph.add(record.digest, inputs, results, name));
  }

  #results({ results, chains }: ConfigRecord): CacheResult[] {
    const found: CacheResult[] = [];
    for (const { layer, createdAt } of results) {
      const layers = this.#layers.upTo(layer);
      if (layers !== undefined) found.push({ layers, createdAt });
    }
    for (const { layers: indices, createdAt } of chains) {
      const layers = this.#layers.listed(indices);
      if (layers !== undefined) found.push({ layers, createdAt });
    }
    return found;
  }
}

function* linksOf({ inputs }: ConfigRecord, index: number): Generator<number, void> {
  for (const links of inputs) {
    if (links.length === 0) throw corrupt(`invalid empty input for record ${index}`);
    for (const { link } of links) yield link;
  }
}
