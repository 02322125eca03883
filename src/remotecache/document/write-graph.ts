import type { Descriptor } from "../../core/index.ts";
import type { CacheConfig } from "./config.ts";
import { LayerForest } from "./layer-forest.ts";
import type { CacheGraph } from "./graph.ts";
import type { CacheNode } from "./graph-types.ts";
import { listOfNames } from "./names.ts";
import { indexedInputs, orderedRecords } from "./record-order.ts";

/** A graph as a cache config. */
export interface WrittenGraph {
  readonly config: CacheConfig;
  /** The descriptor of each layer of the config, in the same order. */
  readonly layers: readonly Descriptor[];
  /** The index of each record in the config. */
  readonly indices: ReadonlyMap<CacheNode, number>;
}

/** Returns a graph as a normalised cache config: equal graphs give equal bytes. Results are sorted newest first. */
export function configOf(graph: CacheGraph): WrittenGraph {
  const nodes = orderedRecords(graph);
  const indices = new Map(nodes.map((node, index) => [node, index]));
  const forest = new LayerForest();
  const tops = nodes.map(({ results }) =>
    results.map(({ layers, createdAt }) => ({ top: forest.add(layers), createdAt })),
  );
  const { layers, descriptors, indices: layerIndices } = forest.finish();
  const records = nodes.map((node, at) => ({
    results: (tops[at] ?? []).map(({ top, createdAt }) => ({ layer: layerIndices.get(top) ?? -1, createdAt })),
    chains: [],
    digest: node.digest,
    inputs: indexedInputs(node, indices),
  }));
  const names = listOfNames(nodes.map(({ name }) => name));
  return { config: { layers, records, scopes: [], names }, layers: descriptors, indices };
}
