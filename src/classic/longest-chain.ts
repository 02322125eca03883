import type { Candidate } from "./candidate.ts";

/** A chain of candidates, one per step. Only its ends are stored. */
interface Chain {
  readonly first: Candidate;
  readonly last: Candidate;
}

/** Newest first. Of equal age, the smaller id first, so that the choice does not depend on the order of the list. */
function byAge(a: Chain, b: Chain): number {
  if (a.last.created !== b.last.created) return a.last.created > b.last.created ? -1 : 1;
  if (a.last.id !== b.last.id) return a.last.id < b.last.id ? -1 : 1;
  return a.first.id < b.first.id ? -1 : 1;
}

/**
 * Returns the candidate that allows most further hits: the first one of the newest of the longest chains. `extend` returns the
 * candidates for the n-th next step by their predecessor; undefined if the stage ends or the step is not known.
 */
export async function firstOfLongestChain(
  options: readonly Candidate[],
  extend: (after: readonly Candidate[], n: number) => Promise<ReadonlyMap<Candidate, readonly Candidate[]> | undefined>,
): Promise<Candidate | undefined> {
  let chains: Chain[] = options.map((candidate) => ({ first: candidate, last: candidate }));
  for (let n = 1; new Set(chains.map(({ first }) => first)).size > 1; n++) {
    const next = await extend([...new Set(chains.map(({ last }) => last))], n);
    if (next === undefined) break;
    const longer = chains.flatMap(({ first, last }) => (next.get(last) ?? []).map((each) => ({ first, last: each })));
    if (longer.length === 0) break;
    chains = longer;
  }
  return chains.toSorted(byAge)[0]?.first;
}
