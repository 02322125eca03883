import type { CacheRecord } from "./cache-manager.ts";
import type { Edge } from "./edge.ts";
import { Level } from "./explore.ts";

/** Where a result came from, and where it is remembered. */
export interface Origin<R> {
  readonly kind: "cached" | "executed";
  /** Name of the cache, for a cached one. */
  readonly cache?: string;
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
  | { readonly kind: "merged"; readonly into: Edge<R> };

export function levelOf<R>(state: EdgeState<R>): Level {
  switch (state.kind) {
    case "matching":
    case "loading":
      return state.level;
    case "gathering":
    case "executing":
      return Level.slow;
    case "complete":
      return Level.complete;
    case "failed":
      return Level.none;
    case "merged":
      return state.into.level;
  }
}
