import type { Digest } from "../core/index.ts";
import type { OpReport } from "./events.ts";
import type { KeyDigest, Selector } from "./cache/key-digest.ts";

export type ContentContext = Pick<OpContext, "signal" | "report">;

/** How one input of an op enters its cache key. */
export interface CacheMapInput<R> {
  /** Qualifies the input's definition keys; absent: all of it. */
  readonly selector?: Selector | undefined;
  /**
   * Digests what the op reads of the input: the content key. Called with the input's result, so asking for it costs the
   * making of the input. Undefined: there is no content key for this result, which is not an error.
   */
  readonly content?: ((result: R, context: ContentContext) => Promise<Digest | undefined>) | undefined;
  /** Makes the input ready for use (unpacks it). Called before `execute`, for all inputs in parallel. */
  readonly preload?: ((result: R, context: ContentContext) => Promise<void>) | undefined;
}

/** What an op's result depends on, apart from its inputs' own keys. `inputs` has an entry for every input of the vertex. */
export interface CacheMap<R> {
  readonly digest: KeyDigest;
  readonly inputs: readonly CacheMapInput<R>[];
}

/** What a running op is given. */
export interface OpContext {
  /** Aborted when nobody wants the work any more. */
  readonly signal: AbortSignal;
  /** Digest of the vertex the work is done for. */
  readonly vertex: Digest;
  /** Passes logs, progress and warnings on to every solve that shares the vertex. */
  report(report: OpReport): void;
}

/** Which of the solver's slots an execution takes. */
export type OpResources = "cpu" | "io" | "none";

/** The work of a vertex. A solver calls each method at most once at a time, and not again after it has succeeded. */
export interface SolverOp<R> {
  /** Number of outputs, at least 1. */
  readonly outputs: number;
  /** Default `cpu`. */
  readonly resources?: OpResources | undefined;
  /**
   * The cache map of index 0, 1, …; asked for until `done`. Several maps are alternatives, cheapest first, and only an op
   * without inputs may have more than one. Makes no content.
   */
  cacheMap(index: number, context: OpContext): Promise<{ readonly map: CacheMap<R>; readonly done: boolean }>;
  /** Makes the results, one an output. `inputs` are in the order of the vertex's inputs. */
  execute(inputs: readonly R[], context: OpContext): Promise<readonly R[]>;
}

/** One output of a vertex. */
export interface SolverEdge<R> {
  readonly vertex: SolverVertex<R>;
  /** Counted from 0. */
  readonly output: number;
}

/** A node of the graph to solve. The graph has no cycles; vertices with equal digests are the same work. */
export interface SolverVertex<R> {
  readonly digest: Digest;
  /** For people. */
  readonly name: string;
  readonly inputs: readonly SolverEdge<R>[];
  readonly op: SolverOp<R>;
  /** Do not look for a cached result. What is made is saved all the same. */
  readonly ignoreCache: boolean;
  /** False: a cache export names this vertex's records without their results. Default true. */
  readonly exportCache?: boolean | undefined;
}
