import type { LineRange } from "../../dockerfile/index.ts";

/** A time as protobuf has it: seconds since 1970, and nanoseconds of the second. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Returns a time in milliseconds since 1970 as a timestamp. */
export function timestampFromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

/** Returns the milliseconds since 1970 of a timestamp. */
export function timestampMs({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1000 + Math.round(nanos / 1_000_000);
}

/** The state of a vertex. */
export interface VertexMessage {
  readonly digest: string;
  readonly inputs: string[];
  readonly name: string;
  readonly cached: boolean;
  readonly started?: Timestamp | undefined;
  readonly completed?: Timestamp | undefined;
  readonly error: string;
  readonly progressGroup?: { readonly id: string; readonly name: string; readonly weak: boolean } | undefined;
}

/** What a vertex is doing. */
export interface VertexStatusMessage {
  readonly id: string;
  readonly vertex: string;
  readonly name: string;
  readonly current: bigint;
  readonly total: bigint;
  readonly timestamp: Timestamp;
  readonly started?: Timestamp | undefined;
  readonly completed?: Timestamp | undefined;
}

/** Output of a vertex. */
export interface VertexLogMessage {
  readonly vertex: string;
  readonly timestamp: Timestamp;
  /** 1: standard output; 2: standard error. */
  readonly stream: bigint;
  readonly msg: Uint8Array;
}

/** A warning, with the lines that it is about. */
export interface VertexWarningMessage {
  readonly vertex: string;
  readonly level: bigint;
  readonly short: Uint8Array;
  readonly detail: Uint8Array[];
  readonly url: string;
  readonly info?: { readonly filename: string; readonly data: Uint8Array; readonly language: string } | undefined;
  readonly ranges: LineRange[];
}

/** A message of BuildKit's status stream: `moby.buildkit.v1.StatusResponse`. */
export interface StatusMessage {
  readonly vertexes: VertexMessage[];
  readonly statuses: VertexStatusMessage[];
  readonly logs: VertexLogMessage[];
  readonly warnings: VertexWarningMessage[];
}
