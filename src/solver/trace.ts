import type { Digest } from "../core/index.ts";
import type { KeyDigest, Selector } from "./cache/key-digest.ts";

/** One key of an input that the caches were asked about. */
export interface ProbeTrace {
  /** Definition keys come from the input's own graph, content keys from what is in its result. */
  readonly kind: "definition" | "content";
  /** The record digest of the key: `H(op digest "@" output)`; for a content key `H(content digest "@-1")`. */
  readonly key: string;
  /** Id of the record the input itself was found as, if it was. */
  readonly record?: string | undefined;
  readonly selector?: Selector | undefined;
  /** Name of the cache that was asked. */
  readonly cache: string;
  /** Ids of the records of this op that the key leads to. */
  readonly found: readonly string[];
}

export interface InputTrace {
  readonly vertex: Digest;
  readonly output: number;
  readonly probes: readonly ProbeTrace[];
  /** Known if the input was made and the op has a content function for it. */
  readonly content?: Digest | undefined;
}

/** A result that was found, and what became of it. */
export interface CandidateTrace {
  readonly cache: string;
  readonly record: string;
  readonly result: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly outcome: { readonly kind: "loaded" } | { readonly kind: "failed"; readonly reason: string };
}

export type TraceOutcome =
  /** Nobody has asked for a result yet. */
  | { readonly kind: "open" }
  | { readonly kind: "hit"; readonly cache: string; readonly record: string; readonly result: string }
  /** `input`: the first input none of whose keys led to a record; absent if every input did, but not to the same one. */
  | { readonly kind: "no-record"; readonly input?: number | undefined }
  | { readonly kind: "no-result"; readonly records: readonly string[] }
  | { readonly kind: "load-failed"; readonly reason: string }
  | { readonly kind: "ignored" }
  /** The same work was running for another vertex. */
  | { readonly kind: "joined"; readonly vertex: Digest };

/** Why one output of a vertex was, or was not, taken from a cache. */
export interface VertexTrace {
  readonly vertex: Digest;
  readonly name: string;
  readonly output: number;
  /** Digests of the cache maps computed so far. */
  readonly ops: readonly KeyDigest[];
  readonly inputs: readonly InputTrace[];
  readonly candidates: readonly CandidateTrace[];
  readonly outcome: TraceOutcome;
}
