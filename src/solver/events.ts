import type { Digest } from "../core/index.ts";
import type { VertexTrace } from "./trace.ts";

/** What an op reports while it works. Times are milliseconds since 1970. */
export type OpReport =
  | { readonly kind: "log"; readonly stream: 1 | 2; readonly data: Uint8Array }
  | {
      readonly kind: "progress";
      /** Unique within the vertex, for example a blob's digest or `extracting`. */
      readonly id: string;
      /** In bytes, or in the unit of `total`. */
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
  /** Digests of the vertices that the inputs come from. */
  readonly inputs: readonly Digest[];
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * What happens to the vertices of one solve. If a vertex shares the work of another (an equal vertex of another solve, or a
 * vertex with equal cache keys), its events have its own digest and name.
 *
 * - `vertex-started`: `resolve` computes the key of a source; `execute` runs the op. A vertex may start once for each.
 * - `vertex-resolved`: `resolve` has ended.
 * - `vertex-cached`, `vertex-completed`, `vertex-failed`, `vertex-cancelled`: the vertex has ended. `trace` says which cache
 *   record was used, or why none was.
 * - `vertex-rolled-back`: a cached result turned out to be unreadable; the solver searches again for the vertex.
 * - `vertex-skipped`: sent at the end of a successful solve for a vertex that was not needed. `cache` says where its key was found.
 * - `vertex-report`: a report of the op, passed through.
 * - `cache-failed`: an imported cache failed. It is treated as empty from then on.
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

/** Receives the events of a solve. */
export type OnSolverEvent = (event: SolverEvent) => void;
