import type { Digest } from "../core/index.ts";
import type { KeyDigest, Selector } from "./cache/key-digest.ts";

/** One lookup: a key of an input in one cache. */
export interface ProbeTrace {
  /** A definition key comes from the graph of the input, a content key from the content of its result. */
  readonly kind: "definition" | "content";
  /** The key's record digest (see `recordDigest`); a content key has output -1. */
  readonly key: string;
  /** Id under which the cache knows the input's own key, unless it is a root key. */
  readonly record?: string | undefined;
  readonly selector?: Selector | undefined;
  /** Id of the cache. */
  readonly cache: string;
  /** Ids of the records of this op that the key leads to. */
  readonly found: readonly string[];
}

/** What was found out about one input of a vertex. */
export interface InputTrace {
  readonly vertex: Digest;
  readonly output: number;
  /** Record digests of the keys of a vertex without inputs. Empty for other vertices. */
  readonly roots: readonly string[];
  readonly probes: readonly ProbeTrace[];
  /** The content digest, if the input was made and the op computes one for it. */
  readonly content?: Digest | undefined;
}

/** A cached result that was found, and whether it could be loaded. */
export interface CandidateTrace {
  readonly cache: string;
  readonly record: string;
  readonly result: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly outcome:
    | { readonly kind: "loaded" }
    | { readonly kind: "expired" }
    | { readonly kind: "failed"; readonly reason: string };
}

/** The result of the cache search for one output of a vertex. */
export type TraceOutcome =
  /** The search has not ended, or nobody asked for the result. */
  | { readonly kind: "open" }
  | { readonly kind: "hit"; readonly cache: string; readonly record: string; readonly result: string }
  /** `input` is the first input that has no key leading to a record. Absent: every input led to a record, but to different ones. */
  | { readonly kind: "no-record"; readonly input?: number | undefined }
  /** Records were found, but none of their results exists any more. */
  | { readonly kind: "no-result"; readonly records: readonly string[] }
  /** The results that were found are older than the vertex allows. `createdAt` is that of the newest one. */
  | { readonly kind: "expired"; readonly createdAt: number }
  | { readonly kind: "load-failed"; readonly reason: string }
  /** The vertex ignores the cache. */
  | { readonly kind: "ignored" }
  /** The vertex has the same key as another, running vertex, and uses its result. */
  | { readonly kind: "joined"; readonly vertex: Digest };

/** Why one output of a vertex was or was not taken from a cache. */
export interface VertexTrace {
  readonly vertex: Digest;
  readonly name: string;
  readonly output: number;
  /** Digests of the cache maps that were computed so far. */
  readonly ops: readonly KeyDigest[];
  readonly inputs: readonly InputTrace[];
  readonly candidates: readonly CandidateTrace[];
  readonly outcome: TraceOutcome;
}
