import type { EdgeInput } from "./edge-input.ts";
import type { EdgeNode } from "./nodes.ts";
import type { KeySearch } from "./key-search.ts";
import type { TraceOutcome, VertexTrace } from "../trace.ts";

/** Returns why the result of an edge was or was not taken from a cache, as far as it is known. */
export function traceOf<R>(edge: EdgeNode<R>, inputs: readonly EdgeInput<R>[], search: KeySearch<R>): VertexTrace {
  const { maps, candidates } = search;
  return {
    vertex: edge.vertex.digest,
    name: edge.vertex.name,
    output: edge.output,
    ops: maps.map(({ digest }) => digest),
    inputs: inputs.map((input) => input.trace()),
    candidates: [...candidates],
    outcome: outcomeOf(edge, search),
  };
}

function outcomeOf<R>(edge: EdgeNode<R>, { candidates, matcher }: KeySearch<R>): TraceOutcome {
  const { state } = edge;
  if (state.kind === "merged") return { kind: "joined", vertex: edge.resolved().vertex.digest };
  const hit = candidates.findLast(({ outcome }) => outcome.kind === "loaded");
  if (state.kind === "complete" && state.origin.kind === "cached" && hit !== undefined)
    return { kind: "hit", cache: hit.cache, record: hit.record, result: hit.result };
  if (edge.isIgnored) return { kind: "ignored" };
  const failure = candidates.findLast(({ outcome }) => outcome.kind === "failed");
  if (failure?.outcome.kind === "failed") return { kind: "load-failed", reason: failure.outcome.reason };
  const expired = candidates.filter(({ outcome }) => outcome.kind === "expired");
  if (expired.length > 0) return { kind: "expired", createdAt: Math.max(...expired.map(({ createdAt }) => createdAt)) };
  if (state.kind === "matching" || state.kind === "loading") return { kind: "open" };
  return matcher.found.length > 0 ? { kind: "no-result", records: matcher.found } : noRecord(edge);
}

function noRecord<R>(edge: EdgeNode<R>): TraceOutcome {
  const input = edge.inputs.findIndex(({ reached }) => reached.size === 0);
  return input < 0 ? { kind: "no-record" } : { kind: "no-record", input };
}
