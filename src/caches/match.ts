import type { RecordKeyStore } from "../cache/index.ts";
import type { CacheGraph, CacheLink, CacheNode } from "../remotecache/index.ts";
import { RECORD_OUTPUT } from "../solver/index.ts";
import type { Digest } from "../core/index.ts";

/** The keys of a store that each record of a graph goes by there. */
export function matchRecords(graph: CacheGraph, keys: RecordKeyStore): ReadonlyMap<CacheNode, readonly string[]> {
  const found = new Map<CacheNode, readonly string[]>();
  for (const node of graph.nodes()) found.set(node, node.inputs.length === 0 ? [node.digest] : matchInner(node));
  return found;

  function matchInner({ digest, inputs }: CacheNode): readonly string[] {
    let common: ReadonlySet<string> | undefined;
    for (const [input, list] of inputs.entries()) {
      const here = new Set(list.flatMap((link) => follow(link, input, digest)));
      common = common?.intersection(here) ?? here;
      if (common.size === 0) return [];
    }
    return [...(common ?? [])].sort();
  }

  function follow({ node, selector }: CacheLink, input: number, digest: string): string[] {
    const link = { input, output: RECORD_OUTPUT, digest: digest as Digest, selector: selector as Digest | "" };
    return (found.get(node) ?? []).flatMap((from) => keys.links(from, link));
  }
}
