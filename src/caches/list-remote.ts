import { type RecordId, type RemoteLayer, stepOfLayers } from "../record/index.ts";
import type { CacheSpec, Store } from "../engine/index.ts";
import { RecordKeyStore } from "../cache/index.ts";
import {
  type CacheGraph,
  type CacheNode,
  type CacheResult,
  type Generation,
  timeToMilliseconds,
} from "../remotecache/index.ts";
import { type CacheEntry, type CacheListing, type CacheScope, presence, sorted } from "./entry.ts";
import { matchRecords } from "./match.ts";
import { type CacheReadOptions, openCache } from "./target.ts";

/** See `listRemoteCache`. */
export async function listRemote(store: Store, spec: CacheSpec, options: CacheReadOptions = {}): Promise<CacheListing> {
  const { name, graphs, generations, configSize } = await openCache(store, spec, options);
  const entries = graphs.flatMap((graph) => new RemoteListing(graph, store).entries());
  const results = graphs.flatMap((graph) => [...graph.nodes()].flatMap((node) => node.results));
  return {
    name,
    entries: sorted(entries),
    scopes: generations.map(scopeOf),
    size: sizeOf(results),
    configSize,
  };
}

class RemoteListing {
  readonly #store: Store;
  readonly #graph: CacheGraph;
  /** Results in the store, by the record they are for. */
  readonly #here = new Map<CacheNode, readonly RecordId[]>();
  readonly #steps = new Map<CacheNode, string | undefined>();

  constructor(graph: CacheGraph, store: Store) {
    this.#graph = graph;
    this.#store = store;
    const keys = new RecordKeyStore(store.state);
    for (const [node, ids] of matchRecords(graph, keys)) {
      const results = ids.flatMap((id) => keys.results(id)).map(({ id }) => id);
      const there = results.filter((id) => store.records.get(id) !== undefined);
      this.#here.set(node, there);
      this.#steps.set(node, node.name ?? this.#knownStep(there) ?? stepOfLayers(described(node.results[0])));
    }
  }

  entries(): CacheEntry[] {
    return [...this.#graph.nodes()].flatMap((node) => {
      const [newest] = node.results;
      return newest === undefined ? [] : [this.#entry(node, newest)];
    });
  }

  #entry(node: CacheNode, { layers, createdAt }: CacheResult): CacheEntry {
    const here = (this.#here.get(node) ?? []).map((id) => presence(id, this.#store));
    return {
      record: node.digest,
      step: this.#steps.get(node),
      inputs: node.inputs.map((list) => this.#input(list.map(({ node: from }) => from))),
      layers: layers.length,
      size: sumOf(layers),
      createdAt: timeToMilliseconds(createdAt),
      sources: [...new Set(layers.flatMap(({ sources }) => sources))],
      here: here.includes("yes") ? "yes" : (here[0] ?? "no"),
    };
  }

  #input(alternatives: readonly CacheNode[]): string {
    const steps = alternatives.flatMap((node) => this.#steps.get(node) ?? []).sort();
    return steps[0] ?? alternatives.map(({ digest }) => digest).sort()[0] ?? "";
  }

  #knownStep(records: readonly RecordId[]): string | undefined {
    const rows = records.map((id) => this.#store.records.layers(id));
    return rows.flatMap((layers) => stepOfLayers(layers) ?? [])[0];
  }
}

function described(result: CacheResult | undefined): { readonly description: string }[] {
  return (result?.layers ?? []).map(({ description = "" }) => ({ description }));
}

function scopeOf({ scope, tops, at, partial }: Generation): CacheScope {
  const nodes = new Set(tops);
  for (const node of nodes) for (const link of node.inputs.flat()) nodes.add(link.node);
  const held = [...nodes].filter(({ results }) => results.length > 0);
  return {
    scope,
    partial: partial !== undefined,
    createdAt: timeToMilliseconds(at),
    entries: held.length,
    size: sizeOf(held.flatMap(({ results }) => results)),
  };
}

function sizeOf(results: readonly CacheResult[]): number {
  const layers = results.flatMap((result) => result.layers);
  return sumOf([...new Map(layers.map((layer) => [layer.digest, layer])).values()]);
}

function sumOf(layers: readonly RemoteLayer[]): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}
