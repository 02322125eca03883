import type { Digest } from "../../core/index.ts";
import type { Explanation } from "../../explain/index.ts";
import type { SourceRange } from "../../dockerfile/index.ts";
import type { ProgressGroup } from "../../llb/index.ts";

/**
 * An event of a running build. Times are milliseconds since 1970. Events follow BuildKit's `SolveStatus`: whenever the state of a
 * vertex changes there is another event for it, which replaces the one before.
 */
export type BuildEvent =
  | VertexEvent
  | {
      readonly kind: "log";
      readonly vertex: Digest;
      readonly stream: 1 | 2;
      readonly data: Uint8Array;
      readonly at: number;
    }
  | StatusEvent
  | WarningEvent;

/**
 * The state of a vertex. The first event of a vertex has no times: it says that the vertex may be needed. A vertex may start and
 * complete more than once: a source first computes its key, and may be fetched later.
 */
export interface VertexEvent {
  readonly kind: "vertex";
  readonly digest: Digest;
  /** `[build 2/5] RUN npm ci`. */
  readonly name: string;
  readonly inputs: readonly Digest[];
  readonly startedAt?: number | undefined;
  readonly completedAt?: number | undefined;
  /** True if it completed only in so far as its key is known. It starts again if its result is needed. */
  readonly resolved?: boolean | undefined;
  readonly cached?: boolean | undefined;
  /** Which cache the hit came from: `local`, or an importer's name. */
  readonly cache?: string | undefined;
  readonly error?: string | undefined;
  /** True if it ended because the build was cancelled or failed elsewhere; `error` says so too. */
  readonly cancelled?: boolean | undefined;
  /** Why it runs, although a cache might have had its result. */
  readonly why?: Explanation | undefined;
  /** Vertices of one group are displayed as one. */
  readonly progressGroup?: ProgressGroup | undefined;
}

/** One measurable piece of a vertex's work: a download, an upload, an unpacking. */
export interface StatusEvent {
  readonly kind: "status";
  readonly vertex: Digest;
  /** Unique within the vertex: `sha256:…`, `exporting layers`. */
  readonly id: string;
  /** Bytes, or whatever `total` counts. */
  readonly current: number;
  readonly total?: number | undefined;
  readonly startedAt: number;
  readonly completedAt?: number | undefined;
}

export interface WarningEvent {
  readonly kind: "warning";
  readonly vertex?: Digest | undefined;
  readonly short: string;
  readonly detail: readonly string[];
  readonly url?: string | undefined;
  /** How much it matters, as its author says: 1 for a rule of the linter. Default: 1. */
  readonly level?: number | undefined;
  /** Where in the Dockerfile: lines are counted from 1. Warnings of clients have none. */
  readonly location?: { readonly file: string; readonly line: number } | undefined;
  /** The file that contains the location, and the ranges that the warning is about. */
  readonly source?: WarningSource | undefined;
}

export interface WarningSource {
  readonly name: string;
  readonly text: string;
  readonly ranges: readonly SourceRange[];
}

export type OnBuildEvent = (event: BuildEvent) => void;
