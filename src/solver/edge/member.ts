import type { CacheManager } from "../cache/cache-manager.ts";
import type { SolverEvent } from "../events.ts";

/** A solve, as the vertices it shares see it. */
export interface Member<R> {
  /** Imported caches, in the order they are asked. */
  readonly caches: readonly CacheManager<R>[];
  emit(event: SolverEvent): void;
  /** Keeps what a result refers to until the solve has ended. */
  retain(result: R): void;
}
