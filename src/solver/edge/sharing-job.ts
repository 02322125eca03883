import type { CacheManager } from "../cache/cache-manager.ts";
import type { SolverEvent } from "../events.ts";

/** A job, as seen by the vertices it shares with other jobs. */
export interface SharingJob<R> {
  /** Imported caches, in the order in which they are asked. */
  readonly caches: readonly CacheManager<R>[];
  /** True if the job was cancelled: what its ops use of it may be gone. */
  readonly isCancelled: boolean;
  emit(event: SolverEvent): void;
  /** Keeps what a result refers to until the job has ended. */
  retain(result: R): void;
}
