import type { LineRange } from "../dockerfile/ranges.ts";

/** The messages of BuildKit's status stream, as plain objects with the fields of their protobuf messages. */

/** `google.protobuf.Timestamp`. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

export interface VertexMessage {
  readonly digest: string;
  readonly inputs: readonly string[];
  readonly name: string;
  readonly cached: boolean;
  readonly started?: Timestamp | undefined;
  readonly completed?: Timestamp | undefined;
  readonly error: string;
  readonly progressGroup?: { readonly id: string; readonly name: string; readonly weak: boolean } | undefined;
}

export interface VertexStatusMessage {
  readonly ID: string;
  readonly vertex: string;
  readonly name: string;
  readonly current: bigint;
  readonly total: bigint;
  readonly timestamp: Timestamp;
  readonly started?: Timestamp | undefined;
  readonly completed?: Timestamp | undefined;
}

export interface VertexLogMessage {
  readonly vertex: string;
  readonly timestamp: Timestamp;
  /** 1 is standard output, 2 is standard error. */
  readonly stream: bigint;
  readonly msg: Uint8Array;
}

export interface VertexWarningMessage {
  readonly vertex: string;
  readonly level: bigint;
  readonly short: Uint8Array;
  readonly detail: readonly Uint8Array[];
  readonly url: string;
  readonly info?: SourceInfoMessage | undefined;
  readonly ranges: readonly LineRange[];
}

export interface SourceInfoMessage {
  readonly filename: string;
  readonly data: Uint8Array;
  readonly language: string;
}

export interface StatusMessage {
  readonly vertexes: readonly VertexMessage[];
  readonly statuses: readonly VertexStatusMessage[];
  readonly logs: readonly VertexLogMessage[];
  readonly warnings: readonly VertexWarningMessage[];
}

/** Converts milliseconds since 1970. */
export function timestamp(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** Returns the milliseconds since 1970 of a timestamp. */
export function milliseconds({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}
