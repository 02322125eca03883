import type { CacheManager, CacheRecord } from "../cache/cache-manager.ts";
import type { VertexTrace } from "../trace.ts";
import type { SolverVertex } from "../vertex.ts";

/** What a solve would do for one output of a vertex, if it needed the result. */
export type PlannedOutcome<R> =
  | { readonly kind: "hit"; readonly record: CacheRecord<R> }
  | { readonly kind: "miss" }
  /** It depends on results that do not exist yet, or may not be read: those of `on`. */
  | { readonly kind: "unknown"; readonly on: readonly SolverVertex<R>[] };

/** The plan for one output of a vertex. */
export interface PlannedEdge<R> {
  readonly vertex: SolverVertex<R>;
  readonly output: number;
  readonly outcome: PlannedOutcome<R>;
  /** The result, if it is known without running anything. */
  readonly result: R | undefined;
  /** False: a solve uses a result that was made from this one, and does not need it. */
  readonly isNeeded: boolean;
  /** What was found out, as in the events of a solve. Its outcome is `open` if the plan's is `unknown`. */
  readonly trace: VertexTrace;
  /** The results of the inputs that are known without running anything. */
  readonly inputs: readonly (R | undefined)[];
}

export interface PlanOptions<R> {
  /** Returns the result of a vertex without inputs that can be read now, such as a directory. Undefined: there is none. */
  readonly open: (vertex: SolverVertex<R>) => Promise<R | undefined>;
  /** True for a vertex whose keys may not be computed: that would fetch something. */
  readonly isOpaque: (vertex: SolverVertex<R>) => boolean;
  /** Imported caches, as in `SolveOptions`. */
  readonly caches?: readonly CacheManager<R>[] | undefined;
  readonly signal?: AbortSignal | undefined;
}
