import { type Descriptor, type Digest, VarveError } from "../../core/index.ts";
import type { CacheConfig, ConfigRecord } from "./config.ts";
import { CacheGraph } from "./graph.ts";
import type { CacheNode, CacheResult } from "./graph-types.ts";
import { LayerChains } from "./layer-chains.ts";
import { normalizeStepName } from "./names.ts";

/** A graph that was read from a cache config. */
export interface LoadedGraph {
  readonly graph: CacheGraph;
  /** The node of each record, by index. A record with a session key (`random:`) has none. */
  readonly nodes: readonly (CacheNode | undefined)[];
}

const corrupt = (state: string): VarveError => new VarveError("corrupt", `Cannot read cache config: ${state}`);

/**
 * Returns the graph that a cache config describes. It makes BuildKit's checks in BuildKit's order; an error rejects the whole
 * document. A result is left out if a blob of it has no descriptor, or if the descriptor does not tell the diffID. `source` is
 * where the blobs can be fetched.
 *
 * @throws {VarveError} `corrupt` with BuildKit's message.
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

/**
 * Returns the graph that a cache config describes. `layersByDigest` has the descriptors of its layers, and `source` is where the
 * blobs can be fetched. A result without usable descriptors is left out.
 *
 * @throws {VarveError} `corrupt` for a config that BuildKit rejects too; `limit-exceeded` for too many layers.
 */
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
  /** Links that were not followed yet. */
  readonly links: Iterator<number>;
}

class GraphLoader {
  readonly graph: CacheGraph = new CacheGraph();
  readonly #records: readonly ConfigRecord[];
  readonly #names: readonly string[];
  readonly #layers: LayerChains;
  /** Undefined: the record is being visited, or it is left out. */
  readonly #nodes = new Map<number, CacheNode | undefined>();

  constructor({ records, names }: CacheConfig, layers: LayerChains) {
    this.#records = records;
    this.#names = names;
    this.#layers = layers;
  }

  /** Returns the node of a record, or undefined if the record was left out. */
  node(index: number): CacheNode | undefined {
    const node = this.#nodes.get(index);
    return node && this.graph.current(node);
  }

  /** Adds a record after its inputs, depth first. It does not recurse, because chains may be long. */
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
      links.map(({ selector, link }) => ({ selector, node: this.#added(link) })),
    );
    const name = normalizeStepName(this.#names[index] ?? "");
    this.#nodes.set(index, this.graph.add(record.digest, inputs, results, { name }));
  }

  #added(index: number): CacheNode {
    const node = this.#nodes.get(index);
    if (node === undefined) throw corrupt("invalid looping record");
    return node;
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
