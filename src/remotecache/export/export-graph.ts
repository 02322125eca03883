import type { CacheManager, SolveResult } from "../../solver/index.ts";
import { CacheGraph } from "../document/graph.ts";
import type { CacheNode } from "../document/graph-types.ts";
import { ordered } from "./order.ts";
import { Explorer, type Point } from "./points.ts";
import { type ResultOptions, Results } from "./results.ts";

/** What an export has to say: the records, and those of them that stand for the solve's results. */
export interface ExportedGraph {
  readonly graph: CacheGraph;
  readonly tops: readonly CacheNode[];
}

/**
 * Walks the keys of solve results, and what leads to them in the caches they were found in, into one graph of records, with
 * one result each at most. Keys of a session, and records that only such lead to, are left out.
 */
export async function exportGraph<R>(
  solved: readonly Pick<SolveResult<R>, "keys" | "caches">[],
  options: ResultOptions<R>,
): Promise<ExportedGraph> {
  const caches = new Map<string, CacheManager<R>>();
  for (const cache of solved.flatMap((one) => one.caches)) if (!caches.has(cache.id)) caches.set(cache.id, cache);
  const tops = await new Explorer(caches).explore(solved.flatMap(({ keys }) => keys));
  const points = ordered(tops);
  const results = await new Results(caches, options).of(points, tops);
  const graph = new CacheGraph();
  const nodes = new Map<Point, readonly CacheNode[]>();
  for (const [point, inputs] of points) {
    const links = inputs.map((list) =>
      list.flatMap(({ selector, point: from }) => (nodes.get(from) ?? []).map((node) => ({ selector, node }))),
    );
    const found = results.get(point);
    const node = graph.add(point.digest, links, found === undefined ? [] : [found.result], found?.name);
    nodes.set(point, [node, ...point.equivalents.map((digest) => graph.add(digest, []))]);
  }
  const kept = tops.flatMap((top) => nodes.get(top)?.[0] ?? []).map((node) => graph.current(node));
  return { graph, tops: [...new Set(kept)] };
}
