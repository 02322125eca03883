import type { CacheManager, SolveResult } from "../../solver/index.ts";
import { CacheGraph } from "../document/graph.ts";
import type { CacheNode } from "../document/graph-types.ts";
import type { ExportStage } from "./scopes.ts";
import { sortKeys } from "./sorted-keys.ts";
import { NoteFinder } from "./note-finder.ts";
import { KeyExplorer, type ExportKey } from "./export-keys.ts";
import { type ResultOptions, ResultFinder } from "./result-finder.ts";

/** The records of an export. `tops` are the records of the solve's results. */
export interface ExportedGraph {
  readonly graph: CacheGraph;
  readonly tops: readonly CacheNode[];
  /** Absent: the export is complete, and replaces no other of its build. */
  readonly stage?: ExportStage | undefined;
}

/**
 * Returns the graph of records for the keys of solve results. It contains these keys, the keys of their inputs, and further keys
 * that lead to them in the caches where they were found. Each record has at most one result. Session keys are left out, and so
 * are records that only session keys lead to.
 *
 * @example
 * const exported = await exportGraph(await job.solve(edges), { mode: "max", layersOf });
 */
export async function exportGraph<R>(
  solved: readonly Pick<SolveResult<R>, "keys" | "caches">[],
  options: ResultOptions<R>,
): Promise<ExportedGraph> {
  const caches = new Map<string, CacheManager<R>>();
  for (const cache of solved.flatMap((one) => one.caches)) if (!caches.has(cache.id)) caches.set(cache.id, cache);
  const tops = await new KeyExplorer(caches).explore(solved.flatMap((one) => one.keys));
  const keys = sortKeys(tops);
  const results = await new ResultFinder(caches, options).of(keys, tops);
  const notes = options.noteOf === undefined ? undefined : new NoteFinder(caches, options.noteOf);
  const graph = new CacheGraph();
  const nodes = new Map<ExportKey, readonly CacheNode[]>();
  for (const [key, inputs] of keys) {
    const links = inputs.map((list) =>
      list.flatMap(({ selector, from }) => (nodes.get(from) ?? []).map((node) => ({ selector, node }))),
    );
    const found = results.get(key);
    const node = graph.add(key.digest, links, found === undefined ? [] : [found.result], {
      name: found?.name,
      note: await notes?.of(key),
    });
    nodes.set(key, [node, ...key.equivalents.map((digest) => graph.add(digest, []))]);
  }
  const kept = tops.flatMap((top) => nodes.get(top)?.[0] ?? []).map((node) => graph.current(node));
  return { graph, tops: [...new Set(kept)] };
}
