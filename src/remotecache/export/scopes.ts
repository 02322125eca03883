import { type Digest, GO_ZERO_TIME } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheGraph, copiedInputs } from "../document/graph.ts";
import type { CacheNode, CacheResult } from "../document/graph-types.ts";
import type { Time } from "../document/time.ts";

/** One export of a scope. */
export interface Generation {
  /** Empty for a document of a writer that does not know scopes. */
  readonly scope: string;
  /** The records of the build's results. */
  readonly tops: readonly CacheNode[];
  /** The time of the newest result in the export. */
  readonly at: Time;
}

/** The contents of a cache document. */
export interface CacheContents {
  readonly graph: CacheGraph;
  /** Sorted by scope, and newest first in each scope. */
  readonly generations: readonly Generation[];
}

/** Maximum number of generations of one scope. */
const GENERATIONS = 2;
/** Maximum number of generations of all scopes. The oldest are removed first. */
const MAX_GENERATIONS = 500;
/** Maximum number of results of one record. The second one is used if blobs of the first no longer exist. */
const MAX_RESULTS = 2;

/** Returns an export as contents with one generation. Its tops are those that are not ancestors of other records. */
export function contentsOf(graph: CacheGraph, tops: readonly CacheNode[], scope: string): CacheContents {
  const reached = new Set(tops);
  const below = new Set<CacheNode>();
  for (const { inputs } of reached) {
    for (const { node } of inputs.flat()) {
      below.add(node);
      reached.add(node);
    }
  }
  return { graph, generations: [{ scope, tops: tops.filter((top) => !below.has(top)), at: newest(graph) }] };
}

/** Returns a document of a writer that does not know scopes as contents: one generation, with all records without dependents as tops. */
export function foreignContents(graph: CacheGraph): CacheContents {
  return contentsOf(graph, [...graph.nodes()], "");
}

/**
 * Merges an export with existing contents. Its generation becomes the newest of its scope. Two generations of a scope are kept (one
 * of a writer that does not know scopes). Records that no kept generation needs are left out. With `rank: "keep"`, a generation
 * that exists already keeps its position.
 */
export function mergeContents(
  existing: CacheContents | undefined,
  own: CacheContents,
  { rank = "first" }: { readonly rank?: "first" | "keep" | undefined } = {},
): CacheContents {
  const { graph, lists } = mergeGraphs(existing === undefined ? [own] : [existing, own]);
  const [added = [], earlier = []] = lists.toReversed();
  const isKept = rank === "keep" && added.every((one) => earlier.some((other) => sameGeneration(one, other)));
  return retain({ graph, generations: newestOf(isKept ? [...earlier, ...added] : [...added, ...earlier]) });
}

/**
 * True if `now` has the maximum number of generations of the export's scope, and all of them were written after the export:
 * none is the export's own, and none was in the contents `replaced` by it.
 */
export function isSuperseded(own: CacheContents, replaced: CacheContents | undefined, now: CacheContents): boolean {
  const { lists } = mergeGraphs(replaced === undefined ? [own, now] : [own, now, replaced]);
  const [written = [], existing = [], before = []] = lists;
  const scopes = new Set(written.map(({ scope }) => scope));
  const others = existing.filter(({ scope }) => scopes.has(scope));
  const known = [...written, ...before];
  return others.length === GENERATIONS && others.every((one) => !known.some((other) => sameGeneration(one, other)));
}

/** Merges several graphs. Also returns the generations of each, with the nodes of the merged graph. */
function mergeGraphs(all: readonly CacheContents[]): { readonly graph: CacheGraph; readonly lists: Generation[][] } {
  const graph = new CacheGraph();
  const moved = all.map((contents) => ({ contents, nodes: graph.merge(contents.graph) }));
  const lists = moved.map(({ contents, nodes }) =>
    contents.generations.map((one) => {
      const tops = one.tops.flatMap((top) => nodes.get(top) ?? []).map((top) => graph.current(top));
      return { ...one, tops: [...new Set(tops)] };
    }),
  );
  return { graph, lists };
}

function sameGeneration(a: Generation, b: Generation): boolean {
  const tops = new Set(a.tops);
  return a.scope === b.scope && tops.size === b.tops.length && b.tops.every((top) => tops.has(top));
}

/** Returns the generations to keep, sorted by scope and then newest first, so that the order does not depend on the last writer. */
function newestOf(generations: readonly Generation[]): Generation[] {
  const kept: Generation[] = [];
  const counts = new Map<string, number>();
  for (const generation of generations) {
    const { scope, tops } = generation;
    const count = counts.get(scope) ?? 0;
    const known = kept.findIndex((one) => sameGeneration(one, generation));
    const { at = GO_ZERO_TIME } = kept[known] ?? {};
    if (known >= 0) kept[known] = { ...generation, at: at > generation.at ? at : generation.at };
    if (tops.length === 0 || known >= 0 || count >= (scope === "" ? 1 : GENERATIONS)) continue;
    counts.set(scope, count + 1);
    kept.push(generation);
  }
  let rest = kept.sort((a, b) => compare(a.scope, b.scope));
  while (rest.length > MAX_GENERATIONS) {
    const dropped = oldest(rest, "any");
    rest = rest.filter((one) => one !== dropped);
  }
  return rest;
}

/**
 * Returns the contents without the oldest generation that is not the newest of its scope. Returns undefined if there is none.
 */
export function dropOldest(contents: CacheContents): CacheContents | undefined {
  const dropped = oldest(contents.generations, "superseded");
  if (dropped === undefined) return undefined;
  return retain({ graph: contents.graph, generations: contents.generations.filter((one) => one !== dropped) });
}

function oldest(generations: readonly Generation[], which: "superseded" | "any"): Generation | undefined {
  const current = new Set([...Map.groupBy(generations, ({ scope }) => scope).values()].map(([first]) => first));
  const superseded = generations.filter((one) => !current.has(one));
  const candidates = which === "any" && superseded.length === 0 ? generations : superseded;
  return [...candidates].sort((a, b) => compare(a.at, b.at) || compare(b.scope, a.scope))[0];
}

/** Returns the contents with only the records that the generations need, and the newest results for which `has` returns true. */
export function retain(
  { graph, generations }: CacheContents,
  has: (result: CacheResult) => boolean = () => true,
): CacheContents {
  const needed = new Set(generations.flatMap(({ tops }) => tops));
  for (const node of needed) for (const link of node.inputs.flat()) needed.add(link.node);
  const kept = new CacheGraph();
  const copies = new Map<CacheNode, CacheNode>();
  for (const node of graph.nodes()) {
    if (!needed.has(node)) continue;
    const results = node.results.filter(has).slice(0, MAX_RESULTS);
    copies.set(node, kept.add(node.digest, copiedInputs(node, copies), results, node.name));
  }
  const moved = generations.map((one) => ({
    ...one,
    tops: one.tops.flatMap((top) => copies.get(top) ?? []).map((top) => kept.current(top)),
  }));
  return { graph: kept, generations: moved };
}

/** True if a record has a result. */
export function hasResults(graph: CacheGraph): boolean {
  return graph.nodes().some(({ results }) => results.length > 0);
}

function newest(graph: CacheGraph): Time {
  let at = GO_ZERO_TIME;
  for (const { results } of graph.nodes()) for (const { createdAt } of results) if (createdAt > at) at = createdAt;
  return at;
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns every layer of every result, once. */
export function layersOfGraph(graph: CacheGraph): Map<Digest, RemoteLayer> {
  const layers = new Map<Digest, RemoteLayer>();
  for (const { results } of graph.nodes())
    for (const layer of results.flatMap((result) => result.layers)) layers.set(layer.digest, layer);
  return layers;
}
