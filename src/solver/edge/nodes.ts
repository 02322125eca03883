import type { Digest, VarveError } from "../../core/index.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import type { CombinedCache } from "../cache/combined-cache.ts";
import type { Level } from "./explore.ts";
import type { SolverEvent } from "../events.ts";
import type { CacheKey } from "../cache/key.ts";
import type { Selector } from "../cache/key-digest.ts";
import type { Member } from "./member.ts";
import type { SharedOp } from "./shared-op.ts";
import type { VertexTrace } from "../trace.ts";

/**
 * The graph that is being solved, as its parts see each other: an edge knows its vertex and its inputs, an input the edge it
 * comes from. `Edge`, `ActiveVertex` and `Input` are the implementations.
 */

/** Who wants an edge: an input of another edge, or a solve. */
export interface Consumer {
  /** Something about the edge has changed. */
  wake(): void;
}

/** Where a result came from, and where it is remembered. */
export interface Origin<R> {
  readonly kind: "cached" | "executed";
  /** Name of the cache, for a cached one. */
  readonly cache?: string | undefined;
  readonly records: readonly CacheRecord<R>[];
}

/**
 * - `matching`: looks for records, by keys. `level` says how far it has got.
 * - `gathering`: no result can be found; all inputs are being made.
 * - `loading`, `executing`: the result is on its way.
 * - `complete`, `failed`: final, except that a result which turns out to be unreadable sends the edge back to `matching`.
 * - `merged`: another edge with the same key stands for this one.
 */
export type EdgeState<R> =
  | { readonly kind: "matching"; readonly level: Level }
  | { readonly kind: "gathering" }
  | { readonly kind: "loading"; readonly level: Level; readonly record: CacheRecord<R> }
  | { readonly kind: "executing" }
  | { readonly kind: "complete"; readonly result: R; readonly origin: Origin<R> }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "merged"; readonly into: EdgeNode<R> };

/** One output of a vertex on its way to a result. */
export interface EdgeNode<R> extends Consumer {
  readonly vertex: VertexNode<R>;
  readonly output: number;
  readonly inputs: readonly InputNode<R>[];
  readonly state: EdgeState<R>;
  readonly level: Level;
  readonly keys: readonly CacheKey[];
  /** The vertex ignores the cache. */
  readonly isIgnored: boolean;
  /** This edge, or the one it was merged into. */
  resolved(): EdgeNode<R>;
  /** Keys a consumer may look for records with. */
  offers(): readonly CacheKey[];
  /** Keys that stand for this edge, to save a result by. */
  knownKeys(): readonly CacheKey[];
  /** Texts such that two edges with one in common have the same result. */
  identities(): readonly string[];
  /** Says how far a consumer wants the edge from now on. */
  require(consumer: Consumer, level: Level): void;
  /** Takes the keys of another edge's inputs into its own, position by position. */
  learnFrom(inputs: readonly InputNode<R>[]): void;
  /** Looks at what is known and starts what is missing. */
  step(): void;
  fail(error: unknown): void;
  /** Goes back to looking for a record, after the result has turned out to be unreadable. */
  rollBack(reason: string): Promise<void>;
  trace(): VertexTrace;
  /** Resolves when work that was called off has ended. */
  ended(): Promise<void>;
}

/** One input of an edge. */
export interface InputNode<R> {
  readonly index: number;
  /** The edge that stands for the input now: another one if it was merged. */
  readonly edge: EdgeNode<R>;
  /** Records of the op that some key of this input leads to. */
  readonly reached: ReadonlyMap<string, unknown>;
  /** The result that the op has read stands for the input no more. */
  readonly isStale: boolean;
  /** Every key known to stand for the input, with the selector it is taken with. */
  alternatives(): Iterable<InputKey>;
  /** Texts such that inputs of two edges with one in common are the same. */
  identities(): ReadonlySet<string>;
}

export interface InputKey {
  readonly key: CacheKey;
  readonly selector: Selector | "";
}

/** The edges at work, by their keys. */
export interface EdgeRegister<R> {
  add(edge: EdgeNode<R>): void;
  remove(edge: EdgeNode<R>): void;
  /** Another edge that has the same key and may stand for this one. */
  twinOf(edge: EdgeNode<R>): EdgeNode<R> | undefined;
}

/** A vertex some solve is working on, as its edges see it. */
export interface VertexNode<R> {
  /** The vertex's digest, or something else where it may not be shared with the vertex of that digest. */
  readonly identity: string;
  readonly digest: Digest;
  readonly name: string;
  readonly ignoreCache: boolean;
  readonly exportCache: boolean;
  readonly cache: CombinedCache<R>;
  readonly op: SharedOp<R>;
  readonly index: EdgeRegister<R>;
  readonly edges: readonly EdgeNode<R>[];
  readonly inputs: readonly ActiveInput<R>[];
  edge(output: number): EdgeNode<R>;
  wake(edge: EdgeNode<R>): void;
  /** Which results an error says cannot be read; undefined if it says nothing of results. */
  unreadable(error: unknown): ((result: R) => boolean) | undefined;
  /** Keeps a result for as long as any solve that shares the vertex. */
  retain(result: R): void;
  completed(edge: EdgeNode<R>, origin: Origin<R>, startedAt?: number): void;
  rolledBack(origin: Origin<R>, reason: string): void;
  /** Tells that the vertex has failed; returns the error that says so. */
  failed(edge: EdgeNode<R>, error: unknown): VarveError;
  /** An edge of this vertex now is one of `other`: all who share this share that, and what it is made from. */
  mergedInto(other: VertexNode<R>): void;
  /** Has a vertex that was merged into this one told of all that happens here. */
  addFollower(follower: Follower<R>): void;
  /** Lets a solve share the vertex because one of its own needs it. */
  addGuest(member: Member<R>): void;
  /** Rolls back every result that `edge` was made from and that cannot be read. */
  rollBackInputs(edge: EdgeNode<R>, isUnreadable: (result: R) => boolean, error: unknown): Promise<boolean>;
}

export interface ActiveInput<R> {
  readonly vertex: VertexNode<R>;
  readonly output: number;
}

/** An event of a vertex, without what names the vertex. */
export type EventBody<E = SolverEvent> = E extends { readonly digest: Digest }
  ? Omit<E, "digest" | "name" | "inputs" | "at">
  : never;

/** A vertex with an edge that was merged into one of another vertex. */
export interface Follower<R> {
  /** Passes an event on to all solves that share it. `told` has whom it was passed to already. */
  relay(body: EventBody, told: Set<unknown>): void;
  /** All solves that share it. */
  members(): Iterable<Member<R>>;
}
