import type { Digest } from "../core/index.ts";
import type { OpReport } from "./events.ts";
import type { KeyDigest, Selector } from "./cache/key-digest.ts";
import type { VertexTrace } from "./trace.ts";

/** What the functions of a `CacheMapInput` get. */
export type ContentContext = Pick<OpContext, "signal" | "report">;

/** How one input of an op contributes to the op's cache key. */
export interface CacheMapInput<R> {
  /** The part of the input that the op reads; it qualifies the input's definition keys. Absent: the whole input. */
  readonly selector?: Selector | undefined;
  /**
   * Computes the content key: the digest of what the op reads of the input. It gets the input's result, so the solver must
   * make the input first. Returns undefined if this result has no content key, which is not an error.
   */
  readonly content?: ((result: R, context: ContentContext) => Promise<Digest | undefined>) | undefined;
  /** True: records are searched by the content key only. Definition keys are saved with a record, but do not find it. */
  readonly byContent?: boolean | undefined;
  /** Prepares the input for use (unpacks it). The solver calls it before `execute`, for all inputs in parallel. */
  readonly preload?: ((result: R, context: ContentContext) => Promise<void>) | undefined;
}

/** What an op's result depends on, besides the keys of its inputs. `inputs` has one entry for each input of the vertex. */
export interface CacheMap<R> {
  readonly digest: KeyDigest;
  readonly inputs: readonly CacheMapInput<R>[];
}

/** What a running op gets. */
export interface OpContext {
  /** Aborted when no solve needs the work any more. */
  readonly signal: AbortSignal;
  /** Digest of the vertex that the op belongs to. */
  readonly vertex: Digest;
  /** Sends logs, progress and warnings to every solve that shares the vertex. */
  report(report: OpReport): void;
}

/**
 * The kind of slot that an execution occupies; see `SlotLimits`. `step`: another program does the work. `io`: this process works on files.
 */
export type OpResources = "step" | "io" | "none";

/** Earlier results that an op knows to be the same as those that it would make. */
export interface Recalled<R> {
  /** One for each output. */
  readonly results: readonly R[];
  /** Id of the cache that they came from. */
  readonly cache: string;
  /** When they were made: milliseconds since 1970. */
  readonly createdAt: number;
}

/** The work of a vertex. The solver makes no concurrent calls of one method, and no further call after a success. */
export interface SolverOp<R> {
  /** Number of outputs, at least 1. */
  readonly outputs: number;
  /** Default `step`. */
  readonly resources?: OpResources | undefined;
  /**
   * Returns the cache map with index 0, 1, …; the solver asks until one is `done`. Several maps are alternatives, cheapest
   * first; only an op without inputs may have more than one. It must not produce the op's result.
   */
  cacheMap(index: number, context: OpContext): Promise<{ readonly map: CacheMap<R>; readonly done: boolean }>;
  /**
   * Called right before `execute`, and before the solver emits that the vertex starts, with what the search for a cached result has found
   * out. The execution waits for it. It must not throw.
   */
  readonly announce?: ((inputs: readonly R[], traces: readonly VertexTrace[]) => Promise<void>) | undefined;
  /**
   * Called before `announce`, when no cache has a result under the keys of the vertex: returns earlier results of the op that it would make
   * again, although the keys differ. They are saved under the new keys. Not called for a vertex that ignores the cache.
   */
  readonly recall?:
    | ((inputs: readonly R[], context: OpContext, traces: readonly VertexTrace[]) => Promise<Recalled<R> | undefined>)
    | undefined;
  /** Returns whether `recall` may find a result, for plans. Reads no input. */
  readonly mayRecall?: (() => Promise<boolean>) | undefined;
  /** Produces the results, one for each output. `inputs` has the results of the vertex's inputs, in their order. */
  execute(inputs: readonly R[], context: OpContext): Promise<readonly R[]>;
}

/** One output of a vertex. */
export interface SolverEdge<R> {
  readonly vertex: SolverVertex<R>;
  /** Output number, from 0. */
  readonly output: number;
}

/** A node of the graph to solve. The graph has no cycles. Vertices with equal digests are the same work. */
export interface SolverVertex<R> {
  readonly digest: Digest;
  /** Shown to users. */
  readonly name: string;
  readonly inputs: readonly SolverEdge<R>[];
  readonly op: SolverOp<R>;
  /** True: no cached result is used. The new result is saved as usual. */
  readonly ignoreCache: boolean;
  /** Milliseconds: older results are not used, nor are records of other vertices that are found by definition and depend on them. */
  readonly maxAge?: number | undefined;
  /** Vertices with equal digests are shared only if this is equal too. */
  readonly variant?: string | undefined;
  /** False: cache exports contain this vertex's records without their results. Default true. */
  readonly exportCache?: boolean | undefined;
}
