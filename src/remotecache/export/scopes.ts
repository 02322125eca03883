import { type Digest, GO_ZERO_TIME } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheGraph, copiedInputs } from "../document/graph.ts";
import type { CacheNode, CacheResult } from "../document/graph-types.ts";
import type { ReleasedBlob } from "../document/released.ts";
import type { Time } from "../document/time.ts";
import type { Evidence } from "../signing/trust.ts";

/** One export of a scope. */
export interface Generation {
  /** Empty for a document of a writer that does not know scopes. */
  readonly scope: string;
  /** The records of the build's results. */
  readonly tops: readonly CacheNode[];
  /** The time of the newest result in the export. */
  readonly at: Time;
  /** See `ConfigScope`. */
  readonly partial?: string | undefined;
}

/** How far a build was when it was exported. `build` identifies it: each of its exports replaces the one before. */
export interface ExportStage {
  readonly kind: "running" | "failed" | "complete";
  readonly build: string;
}

/** The contents of a cache document. */
export interface CacheContents {
  readonly graph: CacheGraph;
  /** Sorted by scope, and newest first in each scope. */
  readonly generations: readonly Generation[];
  /** What earlier documents of the place have needed, and this one does not. */
  readonly released?: readonly ReleasedBlob[] | undefined;
  /** Of a document that was read: the blobs that it consists of. */
  readonly own?: readonly Digest[] | undefined;
  /** Of a document that was read: who has signed it. */
  readonly evidence?: Evidence | undefined;
  /** Of an export: the build whose earlier exports it replaces. */
  readonly build?: string | undefined;
}

/** Maximum number of complete generations of one scope. */
const GENERATIONS = 2;
/** Maximum number of partial generations of one scope. None is older than the last complete one that is kept. */
const PARTIAL_GENERATIONS = 4;
/** Maximum number of generations of all scopes. The oldest are removed first. */
const MAX_GENERATIONS = 500;
/** Maximum number of results of one record. The second one is used if blobs of the first no longer exist. */
const MAX_RESULTS = 2;

/** Returns an export as contents with one generation. Its tops are those that are not ancestors of other records. */
export function contentsOf(
  graph: CacheGraph,
  tops: readonly CacheNode[],
  scope: string,
  stage?: ExportStage,
): CacheContents {
  const reached = new Set(tops);
  const below = new Set<CacheNode>();
  for (const { inputs } of reached) {
    for (const { node } of inputs.flat()) {
      below.add(node);
      reached.add(node);
    }
  }
  const partial = stage === undefined || stage.kind === "complete" ? undefined : partialOf(stage);
  const generation = { scope, tops: tops.filter((top) => !below.has(top)), at: newest(graph), partial };
  return { graph, generations: [generation], build: stage?.build };
}

/** The exports of failed builds have no name of the build, so that the same export again writes nothing. */
function partialOf({ kind, build }: ExportStage): string {
  return kind === "running" ? build : "";
}

/** Returns a document of a writer that does not know scopes as contents: one generation, with all records without dependents as tops. */
export function foreignContents(graph: CacheGraph): CacheContents {
  return contentsOf(graph, [...graph.nodes()], "");
}

/**
 * Merges an export with existing contents. Its generation becomes the newest of its scope, and replaces those that the same build has
 * written while it ran. Two complete generations of a scope are kept (one of a writer that does not know scopes), and partial ones that
 * are not older. Records that no kept generation needs are left out. With `rank: "keep"`, a generation that exists already keeps its
 * position.
 */
export function mergeContents(
  existing: CacheContents | undefined,
  own: CacheContents,
  { rank = "first" }: { readonly rank?: "first" | "keep" | undefined } = {},
): CacheContents {
  const { graph, lists } = mergeGraphs(existing === undefined ? [own] : [existing, own]);
  const [added = [], all = []] = lists.toReversed();
  const isReplaced = (one: Generation): boolean =>
    one.partial !== undefined && one.partial === own.build && !added.some((other) => sameGeneration(one, other));
  const earlier = all.filter((one) => !isReplaced(one));
  const isKept = rank === "keep" && added.every((one) => earlier.some((other) => sameGeneration(one, other)));
  return retain({ graph, generations: newestOf(isKept ? [...earlier, ...added] : [...added, ...earlier]) });
}

/**
 * True if `now` has the maximum number of complete generations of the export's scope, and all of them were written after the export:
 * none is the export's own, and none was in the contents `replaced` by it.
 */
export function isSuperseded(own: CacheContents, replaced: CacheContents | undefined, now: CacheContents): boolean {
  const { lists } = mergeGraphs(replaced === undefined ? [own, now] : [own, now, replaced]);
  const [written = [], existing = [], before = []] = lists;
  const scopes = new Set(written.map(({ scope }) => scope));
  const others = existing.filter(({ scope, partial }) => scopes.has(scope) && partial === undefined);
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

/** A partial generation is the same as a complete one with its tops. Those of two builds that run are not the same. */
function sameGeneration(a: Generation, b: Generation): boolean {
  if (a.scope !== b.scope || (a.partial !== b.partial && a.partial !== undefined && b.partial !== undefined))
    return false;
  const tops = new Set(a.tops);
  return tops.size === b.tops.length && b.tops.every((top) => tops.has(top));
}

/** Returns the generations to keep, sorted by scope and then newest first, so that the order does not depend on the last writer. */
function newestOf(generations: readonly Generation[]): Generation[] {
  const united: Generation[] = [];
  for (const generation of generations) {
    if (generation.tops.length === 0) continue;
    const at = united.findIndex((one) => sameGeneration(one, generation));
    const same = united[at];
    if (same === undefined) united.push(generation);
    else united[at] = unite(same, generation);
  }
  const kept = newestOfScopes(united, (scope) => (scope === "" ? 1 : GENERATIONS));
  let rest = kept.sort((a, b) => compare(a.scope, b.scope));
  while (rest.length > MAX_GENERATIONS) {
    const dropped = oldest(rest, "any");
    rest = rest.filter((one) => one !== dropped);
  }
  return rest;
}

/** Of the same generation, what was written last counts. It is complete if one of the two is. */
function unite(newer: Generation, older: Generation): Generation {
  const at = newer.at > older.at ? newer.at : older.at;
  const partial = newer.partial === undefined || older.partial === undefined ? undefined : newer.partial;
  return { ...older, at, partial };
}

/**
 * Returns the newest generations of each scope, in the given order: at most `most` complete ones, and partial ones that are newer than
 * the last of these.
 */
export function newestOfScopes(generations: readonly Generation[], most: (scope: string) => number): Generation[] {
  const counts = new Map<string, { complete: number; partial: number }>();
  return generations.filter(({ scope, partial }) => {
    const count = counts.get(scope) ?? { complete: 0, partial: 0 };
    counts.set(scope, count);
    if (count.complete >= most(scope)) return false;
    count[partial === undefined ? "complete" : "partial"] += 1;
    return count.partial <= PARTIAL_GENERATIONS;
  });
}

/**
 * Returns the contents without the oldest generation that is not the newest complete one of its scope. Returns undefined if there is none.
 */
export function dropOldest(contents: CacheContents): CacheContents | undefined {
  const dropped = oldest(contents.generations, "superseded");
  if (dropped === undefined) return undefined;
  return retain({ graph: contents.graph, generations: contents.generations.filter((one) => one !== dropped) });
}

function oldest(generations: readonly Generation[], which: "superseded" | "any"): Generation | undefined {
  const current = new Set(
    [...Map.groupBy(generations, ({ scope }) => scope).values()].map(
      (list) => list.find(({ partial }) => partial === undefined) ?? list[0],
    ),
  );
  const superseded = generations.filter((one) => !current.has(one));
  const candidates = which === "any" && superseded.length === 0 ? generations : superseded;
  return [...candidates].sort((a, b) => compare(a.at, b.at) || compare(b.scope, a.scope))[0];
}

/** Returns the contents with only the records that the generations need, and the newest results for which `has` returns true. */
export function retain(
  { graph, generations, build }: CacheContents,
  has: (result: CacheResult) => boolean = () => true,
): CacheContents {
  const needed = new Set(generations.flatMap(({ tops }) => tops));
  for (const node of needed) for (const link of node.inputs.flat()) needed.add(link.node);
  const kept = new CacheGraph();
  const copies = new Map<CacheNode, CacheNode>();
  for (const node of graph.nodes()) {
    if (!needed.has(node)) continue;
    const results = node.results.filter(has).slice(0, MAX_RESULTS);
    copies.set(node, kept.add(node.digest, copiedInputs(node, copies), results, node));
  }
  const moved = generations.map((one) => ({
    ...one,
    tops: one.tops.flatMap((top) => copies.get(top) ?? []).map((top) => kept.current(top)),
  }));
  return { graph: kept, generations: moved, build };
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
