import type { Candidate } from "./candidate.ts";

/** A chain of candidates, one for each step: only its ends matter. */
interface Chain {
  readonly first: Candidate;
  readonly last: Candidate;
}

/** Newest first; of equal age the one with the smaller id, so that the choice does not depend on the order of listing. */
function byAge(a: Chain, b: Chain): number {
  if (a.last.created !== b.last.created) return a.last.created > b.last.created ? -1 : 1;
  if (a.last.id !== b.last.id) return a.last.id < b.last.id ? -1 : 1;
  return a.first.id < b.first.id ? -1 : 1;
}

/**
 * Which of several candidates for a step leads furthest: the first link of the newest chain among the longest. `extend`
 * gives what can follow a candidate n steps on, or undefined where the stage ends or nobody can tell.
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
