import type { Descriptor } from "../../core/index.ts";
import type { CacheConfig } from "./config.ts";
import { Forest } from "./forest.ts";
import type { CacheGraph } from "./graph.ts";
import type { CacheNode } from "./graph-types.ts";
import { listOfNames } from "./names.ts";
import { indexedInputs, orderedRecords } from "./order.ts";

export interface WrittenGraph {
  readonly config: CacheConfig;
  /** One for each of the config's layers, in their order. */
  readonly layers: readonly Descriptor[];
  /** Where each record stands in the config. */
  readonly indices: ReadonlyMap<CacheNode, number>;
}

/** A graph as a cache config, normalised: equal graphs give equal bytes, however they came about. Results are written newest first. */
export function configOf(graph: CacheGraph): WrittenGraph {
  const nodes = orderedRecords(graph);
  const indices = new Map(nodes.map((node, index) => [node, index]));
  const forest = new Forest();
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
