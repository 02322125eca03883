import type { Digest, VarveError } from "../../core/index.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import type { CombinedCache } from "../cache/combined-cache.ts";
import type { Level } from "./explore.ts";
import type { SolverEvent } from "../events.ts";
import type { CacheKey, KeyAlternative } from "../cache/key.ts";
import type { SharingJob } from "./sharing-job.ts";
import type { JobOp, SharedOp } from "./shared-op.ts";
import type { VertexTrace } from "../trace.ts";

/**
 * The interfaces through which the parts of the active graph know each other. `ActiveEdge` implements `EdgeNode`,
 * `ActiveVertex` implements `VertexNode`, and `EdgeInput` implements `InputNode`. Interfaces avoid cycles between the files.
 */

/** What requires an edge: an input of another edge, or a solve. */
export interface Consumer {
  /** Called when the edge has changed. */
  wake(): void;
}

/** Where a result came from, and the records that hold it. */
export interface Origin<R> {
  readonly kind: "cached" | "executed";
  /** Id of the cache, for a cached result. */
  readonly cache?: string | undefined;
  readonly records: readonly CacheRecord<R>[];
}

/**
 * The states of an edge:
 *
 * - `matching`: computes keys and searches for records. `level` says how far it has come.
 * - `gathering`: no record is usable; the results of all inputs are being made.
 * - `loading`: a cached result is being loaded.
 * - `executing`: the op is being executed.
 * - `complete`: the edge has a result. If it turns out to be unreadable, the edge returns to `matching`.
 * - `failed`: final.
 * - `merged`: final. Another edge with the same key replaces this one.
 */
export type EdgeState<R> =
  | { readonly kind: "matching"; readonly level: Level }
  | { readonly kind: "gathering" }
  | { readonly kind: "loading"; readonly level: Level; readonly record: CacheRecord<R> }
  | { readonly kind: "executing" }
  | { readonly kind: "complete"; readonly result: R; readonly origin: Origin<R> }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "merged"; readonly into: EdgeNode<R> };

/** One output of an active vertex. */
export interface EdgeNode<R> extends Consumer {
  readonly vertex: VertexNode<R>;
  readonly output: number;
  readonly inputs: readonly InputNode<R>[];
  readonly state: EdgeState<R>;
  readonly level: Level;
  readonly keys: readonly CacheKey[];
  /** The vertex ignores the cache. */
  readonly isIgnored: boolean;
  /** Returns this edge, or the edge it was merged into. */
  resolved(): EdgeNode<R>;
  /** Returns the keys that a consumer may search records with. */
  searchKeys(): readonly CacheKey[];
  /** Returns the keys that identify this edge. Consumers save their results under them. */
  knownKeys(): readonly CacheKey[];
  /** Returns strings that identify the result: two edges that share one have the same result. */
  identities(): readonly string[];
  /** Sets the level that a consumer requires from now on. */
  require(consumer: Consumer, level: Level): void;
  /** Adds the keys of another edge's inputs to the keys of this edge's inputs, position by position. */
  adoptInputKeys(inputs: readonly InputNode<R>[]): void;
  /** Checks what is known and starts the work that is missing. */
  step(): void;
  fail(error: unknown): void;
  /** Drops an unreadable result, also from the caches, and searches for a record again. */
  rollBack(reason: string): Promise<void>;
  trace(): VertexTrace;
  /** Resolves when all cancelled work has ended. */
  ended(): Promise<void>;
}

/** One input of an edge. */
export interface InputNode<R> {
  readonly index: number;
  /** The edge that the input comes from, or the edge it was merged into. */
  readonly edge: EdgeNode<R>;
  /** Records of the op that a key of this input leads to. */
  readonly reached: ReadonlyMap<string, unknown>;
  /** True if the op has read a result that was rolled back since. */
  readonly isStale: boolean;
  /** Yields every known key of the input, with its selector. */
  alternatives(): Iterable<KeyAlternative>;
  /** Returns strings that identify the input: two inputs that share one are the same. */
  identities(): ReadonlySet<string>;
}

/** The active edges by their keys. `EdgeIndex` implements it. */
export interface EdgesByKey<R> {
  add(edge: EdgeNode<R>): void;
  remove(edge: EdgeNode<R>): void;
  /** Returns another edge with the same key that `edge` can be merged into. */
  findMergeTarget(edge: EdgeNode<R>): EdgeNode<R> | undefined;
}

/** An active vertex, as seen by its edges. See `ActiveVertex` for the methods' details. */
export interface VertexNode<R> {
  /** The vertex's digest, or another string if it must not be shared with the active vertex of that digest. */
  readonly identity: string;
  readonly digest: Digest;
  readonly name: string;
  readonly ignoreCache: boolean;
  /** Milliseconds: older results are not used. */
  readonly maxAge: number | undefined;
  readonly exportCache: boolean;
  readonly cache: CombinedCache<R>;
  readonly op: SharedOp<R>;
  readonly index: EdgesByKey<R>;
  readonly edges: readonly EdgeNode<R>[];
  readonly inputs: readonly InputSource<R>[];
  edge(output: number): EdgeNode<R>;
  wake(edge: EdgeNode<R>): void;
  /** See `SolverOptions.unreadable`. */
  unreadable(error: unknown): ((result: R) => boolean) | undefined;
  /** Lets every job that shares the vertex retain a result. */
  retain(result: R): void;
  completed(edge: EdgeNode<R>, origin: Origin<R>, startedAt?: number): void;
  rolledBack(origin: Origin<R>, reason: string): void;
  /** Emits that the vertex has failed. Returns the error with the vertex in its details. */
  failed(edge: EdgeNode<R>, error: unknown): VarveError;
  /** Called when an edge of this vertex was merged into one of `other`. */
  mergedInto(other: VertexNode<R>): void;
  /** Lets a vertex that was merged into this one get all events of this one. */
  addFollower(follower: Follower<R>): void;
  /** Lets a job share the vertex because one of the job's vertices was merged into it or into a dependent. */
  addMergedJob(job: SharingJob<R>): void;
  /** Rolls back every unreadable result that `edge` depends on. Returns false if a retry would not help. */
  rollBackInputs(edge: EdgeNode<R>, isUnreadable: (result: R) => boolean, error: unknown): Promise<boolean>;
}

/** Where an input of a vertex comes from. */
export interface InputSource<R> {
  readonly vertex: VertexNode<R>;
  readonly output: number;
}

/** An event of a vertex, without the fields that identify the vertex. */
export type EventBody<E = SolverEvent> = E extends { readonly digest: Digest }
  ? Omit<E, "digest" | "name" | "inputs" | "at">
  : never;

/** What happened to a vertex, and when. Jobs that share the vertex later learn of it with the same time. */
export interface VertexNews {
  readonly body: EventBody;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A vertex with an edge that was merged into an edge of another vertex. It gets that vertex's events. */
export interface Follower<R> {
  /** Passes an event on to all jobs that share the vertex. `visited` has the vertices that already got it. */
  relay(news: VertexNews, visited: Set<unknown>): void;
  /** Returns all jobs that share the vertex. */
  jobs(): Iterable<SharingJob<R>>;
  /** Adds the ops of all jobs that share the vertex. `visited` has the vertices that were asked. */
  addOps(ops: JobOp<R>[], visited: Set<unknown>): void;
}
