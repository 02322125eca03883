import { VarveError } from "../../core/index.ts";
import type { Time } from "../document/time.ts";
import { type DocumentSigner, distrust } from "../signing/trust.ts";
import { type CacheContents, newestOfScopes, retain } from "./scopes.ts";

/** What to keep of a cache document. A generation is kept if it matches all options. */
export interface PruneTargetOptions {
  /** Number of newest complete generations to keep of each scope, with partial ones that are newer. Default: 1. */
  readonly generations?: number | undefined;
  /** The scopes to keep. Default: all. */
  readonly scopes?: readonly string[] | undefined;
  /** Remove generations whose newest result is older. */
  readonly newerThan?: Time | undefined;
  /** Milliseconds for which blobs stay that were written, or needed, last. Registries do not know the times of blobs. */
  readonly grace?: number | undefined;
  /** Signs what stays. It must have signed the document. */
  readonly signer?: DocumentSigner | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was removed. */
export interface PrunedTarget {
  readonly generations: number;
  readonly records: number;
  readonly blobs: number;
  /** Size of the blobs. */
  readonly bytes: number;
}

/**
 * Returns the contents to keep, and how much is removed.
 *
 * @throws {VarveError} `invalid-argument` if the number of generations is not a positive integer, or if the document is signed, and not by
 * the signer.
 */
export function prunedContents(
  contents: CacheContents,
  { generations: most = 1, scopes, newerThan, signer }: PruneTargetOptions,
): { readonly contents: CacheContents; readonly lost: Pick<PrunedTarget, "generations" | "records"> } {
  if (!Number.isSafeInteger(most) || most < 1)
    throw new VarveError(
      "invalid-argument",
      `Cannot prune cache: the number of generations is ${most}, but must be a positive integer`,
    );
  const { evidence } = contents;
  if (evidence?.signature !== undefined && (signer === undefined || distrust(evidence, signer) !== undefined))
    throw new VarveError(
      "invalid-argument",
      "Cannot prune cache: it is signed, which needs its key and scope (sign=KEY)",
    );
  const kept = newestOfScopes(contents.generations, () => most).filter(
    ({ scope, at }) => (scopes?.includes(scope) ?? true) && (newerThan === undefined || at >= newerThan),
  );
  const pruned = retain({ graph: contents.graph, generations: kept });
  const lost = {
    generations: contents.generations.length - kept.length,
    records: contents.graph.size - pruned.graph.size,
  };
  return { contents: pruned, lost };
}
