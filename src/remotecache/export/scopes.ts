import { type Digest, GO_ZERO_TIME } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheGraph } from "../document/graph.ts";
import type { CacheNode, CacheResult } from "../document/graph-types.ts";
import type { Time } from "../document/time.ts";

/** One export of a scope: the records that stood for its results. */
export interface Generation {
  /** Empty: whoever wrote the document before scopes were written down. */
  readonly scope: string;
  readonly tops: readonly CacheNode[];
  /** The newest result there was in that export. */
  readonly at: Time;
}

/** Everything a cache document says. */
export interface CacheContents {
  readonly graph: CacheGraph;
  /** Newest first in each scope. */
  readonly generations: readonly Generation[];
}

/** Generations of a scope that are kept. */
const GENERATIONS = 2;
/** Generations of all scopes; older ones go first. */
const MAX_GENERATIONS = 500;
/** Results of a record that are kept: a second one serves where blobs of the first are gone. */
const MAX_RESULTS = 2;

/** An export as contents of its own. Of its tops those are named that no other is made of. */
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

/** What somebody wrote who knows no scopes: one generation of all records that nothing is made of. */
export function foreignContents(graph: CacheGraph): CacheContents {
  return contentsOf(graph, [...graph.nodes()], "");
}

/**
 * Unites an export with what is there: its generation becomes the newest of its scope, two of which are kept (one where
 * nobody wrote down whose it is). Records that no kept generation is made of are left out. With `rank: "keep"` a generation
 * that is there already stays where it is.
 */
export function mergeContents(
  there: CacheContents | undefined,
  mine: CacheContents,
  { rank = "first" }: { readonly rank?: "first" | "keep" | undefined } = {},
): CacheContents {
  const { graph, lists } = united(there === undefined ? [mine] : [there, mine]);
  const [own = [], theirs = []] = lists.toReversed();
  const stays = rank === "keep" && own.every((one) => theirs.some((other) => sameGeneration(one, other)));
  return retain({ graph, generations: newestOf(stays ? [...theirs, ...own] : [...own, ...theirs]) });
}

/** True if a scope now has its full number of generations, none of them the given one, and none that was `seen` before. */
export function isSuperseded(mine: CacheContents, seen: CacheContents | undefined, now: CacheContents): boolean {
  const { lists } = united(seen === undefined ? [mine, now] : [mine, now, seen]);
  const [own = [], standing = [], before = []] = lists;
  const scopes = new Set(own.map(({ scope }) => scope));
  const others = standing.filter(({ scope }) => scopes.has(scope));
  const known = [...own, ...before];
  return others.length === GENERATIONS && others.every((one) => !known.some((other) => sameGeneration(one, other)));
}

/** All graphs in one, and the generations of each with their records there. */
function united(all: readonly CacheContents[]): { readonly graph: CacheGraph; readonly lists: Generation[][] } {
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

/** In an order that does not depend on who wrote last: by scope, then newest first. */
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
  while (rest.length > MAX_GENERATIONS) rest = without(rest, oldest(rest, "any") as Generation);
  return rest;
}

/** The same contents with one generation fewer: the oldest that is not the newest of its scope; undefined if there is none. */
export function dropOldest(contents: CacheContents): CacheContents | undefined {
  const victim = oldest(contents.generations, "superseded");
  if (victim === undefined) return undefined;
  return retain({ graph: contents.graph, generations: without(contents.generations, victim) });
}

function oldest(generations: readonly Generation[], which: "superseded" | "any"): Generation | undefined {
  const current = new Set([...Map.groupBy(generations, ({ scope }) => scope).values()].map(([first]) => first));
  const superseded = generations.filter((one) => !current.has(one));
  const candidates = which === "any" && superseded.length === 0 ? generations : superseded;
  return [...candidates].sort((a, b) => compare(a.at, b.at) || compare(b.scope, a.scope))[0];
}

function without(generations: readonly Generation[], victim: Generation): Generation[] {
  return generations.filter((one) => one !== victim);
}

/** The records the generations are made of, each with its newest results of which `has` knows every layer. */
export function retain(
  { graph, generations }: CacheContents,
  has: (result: CacheResult) => boolean = () => true,
): CacheContents {
  const wanted = new Set(generations.flatMap(({ tops }) => tops));
  for (const node of wanted) for (const link of node.inputs.flat()) wanted.add(link.node);
  const kept = new CacheGraph();
  const copies = new Map<CacheNode, CacheNode>();
  for (const node of graph.nodes()) {
    if (!wanted.has(node)) continue;
    const inputs = node.inputs.map((list) =>
      list.map((link) => ({ selector: link.selector, node: copies.get(link.node) as CacheNode })),
    );
    copies.set(node, kept.add(node.digest, inputs, node.results.filter(has).slice(0, MAX_RESULTS), node.name));
  }
  const moved = generations.map((one) => ({
    ...one,
    tops: one.tops.flatMap((top) => copies.get(top) ?? []).map((top) => kept.current(top)),
  }));
  return { graph: kept, generations: moved };
}

/** True if some record has a result. */
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

/** Every layer of every result, once. */
export function layersOfGraph(graph: CacheGraph): Map<Digest, RemoteLayer> {
  const layers = new Map<Digest, RemoteLayer>();
  for (const { results } of graph.nodes())
    for (const layer of results.flatMap((result) => result.layers)) layers.set(layer.digest, layer);
  return layers;
}
