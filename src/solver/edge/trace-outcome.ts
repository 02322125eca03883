import type { EdgeNode } from "./nodes.ts";
import type { Search } from "./search.ts";
import type { TraceOutcome } from "../trace.ts";

/** What came of looking for an edge's result in the caches, as far as that is known. */
export function outcomeOf<R>(edge: EdgeNode<R>, { candidates, matcher }: Search<R>): TraceOutcome {
  const { state } = edge;
  if (state.kind === "merged") return { kind: "joined", vertex: edge.resolved().vertex.digest };
  const hit = candidates.findLast(({ outcome }) => outcome.kind === "loaded");
  if (state.kind === "complete" && state.origin.kind === "cached" && hit !== undefined)
    return { kind: "hit", cache: hit.cache, record: hit.record, result: hit.result };
  if (edge.isIgnored) return { kind: "ignored" };
  const failure = candidates.findLast(({ outcome }) => outcome.kind === "failed");
  if (failure?.outcome.kind === "failed") return { kind: "load-failed", reason: failure.outcome.reason };
  if (state.kind === "matching" || state.kind === "loading") return { kind: "open" };
  return matcher.found.length > 0 ? { kind: "no-result", records: matcher.found } : noRecord(edge);
}

function noRecord<R>(edge: EdgeNode<R>): TraceOutcome {
  const input = edge.inputs.findIndex(({ reached }) => reached.size === 0);
  return input < 0 ? { kind: "no-record" } : { kind: "no-record", input };
}
