import { VarveError } from "../../core/index.ts";
import type { Time } from "../document/time.ts";
import { type CacheContents, retain } from "./scopes.ts";

/** What stays of a document. What is not said does not matter. */
export interface PruneTargetOptions {
  /** Generations of each scope, the newest first; default 1. */
  readonly generations?: number | undefined;
  /** The scopes that stay; default all. */
  readonly scopes?: readonly string[] | undefined;
  /** Generations whose newest result is older go. */
  readonly newerThan?: Time | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was removed. */
export interface PrunedTarget {
  readonly generations: number;
  readonly records: number;
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
}

/** The contents that stay, and what they have lost. */
export function prunedContents(
  contents: CacheContents,
  { generations: most = 1, scopes, newerThan }: PruneTargetOptions,
): { readonly contents: CacheContents; readonly lost: Pick<PrunedTarget, "generations" | "records"> } {
  if (!Number.isSafeInteger(most) || most < 1)
    throw new VarveError("invalid-argument", `Cannot prune cache: ${most} is not a number of generations`);
  const counts = new Map<string, number>();
  const kept = contents.generations.filter(({ scope, at }) => {
    const count = (counts.get(scope) ?? 0) + 1;
    counts.set(scope, count);
    return count <= most && (scopes?.includes(scope) ?? true) && (newerThan === undefined || at >= newerThan);
  });
  const pruned = retain({ graph: contents.graph, generations: kept });
  const lost = {
    generations: contents.generations.length - kept.length,
    records: contents.graph.size - pruned.graph.size,
  };
  return { contents: pruned, lost };
}
