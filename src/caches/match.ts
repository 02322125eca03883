import type { RecordKeyStore } from "../cache/index.ts";
import type { CacheGraph, CacheLink, CacheNode } from "../remotecache/index.ts";
import { RECORD_OUTPUT } from "../solver/index.ts";
import { keyDigest, keySelector } from "./key-digest.ts";

/** Returns the IDs of the keys that the records of a graph have in a store; none for a record that the store does not have. */
export function matchRecords(graph: CacheGraph, keys: RecordKeyStore): ReadonlyMap<CacheNode, readonly string[]> {
  const found = new Map<CacheNode, readonly string[]>();
  for (const node of graph.nodes()) found.set(node, node.inputs.length === 0 ? [node.digest] : matchInner(node));
  return found;

  function matchInner({ digest, inputs }: CacheNode): readonly string[] {
    let common: ReadonlySet<string> | undefined;
    for (const [input, list] of inputs.entries()) {
      const reached = new Set(list.flatMap((link) => follow(link, input, digest)));
      common = common?.intersection(reached) ?? reached;
      if (common.size === 0) return [];
    }
    return [...(common ?? [])].sort();
  }

  function follow({ node, selector }: CacheLink, input: number, digest: string): string[] {
    const link = { input, output: RECORD_OUTPUT, digest: keyDigest(digest), selector: keySelector(selector) };
    return (found.get(node) ?? []).flatMap((from) => keys.links(from, link));
  }
}
