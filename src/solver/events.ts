import type { Digest } from "../core/index.ts";
import type { VertexTrace } from "./trace.ts";

/** What an op tells while it works. Times are milliseconds since 1970. */
export type OpReport =
  | { readonly kind: "log"; readonly stream: 1 | 2; readonly data: Uint8Array }
  | {
      readonly kind: "progress";
      /** Unique within the vertex: a blob's digest, `extracting`. */
      readonly id: string;
      /** Bytes, or whatever `total` counts. */
      readonly current: number;
      readonly total?: number | undefined;
      readonly startedAt: number;
      readonly completedAt?: number | undefined;
    }
  | {
      readonly kind: "warning";
      readonly short: string;
      readonly detail?: readonly string[] | undefined;
      readonly url?: string | undefined;
    };

interface OfVertex {
  readonly digest: Digest;
  readonly name: string;
  /** Digests of the vertices it takes its inputs from. */
  readonly inputs: readonly Digest[];
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * What happens to the vertices of one solve. A vertex that shares the work of another (an equal one of another solve, or
 * one with equal cache keys) is told of under its own digest and name.
 *
 * - `vertex-started`: `resolve` is the computing of a source's key, `execute` the work itself. A vertex may start once for each.
 * - `vertex-resolved` ends `resolve`.
 * - `vertex-cached`, `vertex-completed`, `vertex-failed`, `vertex-cancelled` end a vertex. `trace` says why the cache was no use, or which record was.
 * - `vertex-rolled-back`: a cached result turned out to be unreadable; the vertex is looked at again.
 * - `vertex-skipped`: told at the end of a solve that went well, for a vertex nobody needed. `cache`: where its key was found.
 * - `vertex-report`: passed through from the op.
 * - `cache-failed`: an imported cache could not be asked. It counts as empty from then on.
 */
export type SolverEvent =
  | (OfVertex & { readonly kind: "vertex-started"; readonly work: "resolve" | "execute" })
  | (OfVertex & { readonly kind: "vertex-resolved" })
  | (OfVertex & { readonly kind: "vertex-cached"; readonly cache: string; readonly trace: VertexTrace })
  | (OfVertex & { readonly kind: "vertex-completed"; readonly startedAt: number; readonly trace: VertexTrace })
  | (OfVertex & { readonly kind: "vertex-failed"; readonly error: unknown; readonly trace: VertexTrace })
  | (OfVertex & { readonly kind: "vertex-cancelled" })
  | (OfVertex & { readonly kind: "vertex-rolled-back"; readonly cache: string; readonly reason: string })
  | (OfVertex & { readonly kind: "vertex-skipped"; readonly cache?: string | undefined })
  | (OfVertex & { readonly kind: "vertex-report"; readonly report: OpReport })
  | { readonly kind: "cache-failed"; readonly cache: string; readonly error: unknown; readonly at: number };

export type OnSolverEvent = (event: SolverEvent) => void;
