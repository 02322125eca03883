import type { Digest } from "./digest-type.ts";
import type { ErrorCode } from "./error-code.ts";

/** Where in a Dockerfile something is. Lines and columns count from 1 and 0, as BuildKit's do. */
export interface ErrorLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** What became of a blob's file. */
export type DamageState = "missing" | "wrong-size" | "wrong-digest" | "not-a-file" | "unreadable";

/**
 * Why no response came.
 * - `refused`: nobody listens; `unresolved`: no such name; `timeout`; `broken`: the connection was made and lost;
 * - `untrusted`: the certificate is not acceptable; `not-tls`: the other side does not speak TLS; `handshake`: it does, and
 *   refuses ours, most often because it wants a client certificate;
 * - `redirects`: it leads from one place to the next and never to an answer;
 * - `malformed`: what came is not HTTP or breaks a limit.
 */
export type ConnectionFailure =
  | "refused"
  | "unresolved"
  | "timeout"
  | "broken"
  | "untrusted"
  | "not-tls"
  | "handshake"
  | "redirects"
  | "malformed";

/** Why an image cannot be removed. */
export interface RemoveConflict {
  readonly reason: "several-references" | "children" | "in-use";
  /** True if force would help. */
  readonly soft: boolean;
  readonly id: Digest;
}

/** Facts that an error of any code can have: where it comes from. */
export interface SharedDetails {
  /** Where in the Dockerfile it comes from, and the lines there as text. */
  readonly location: ErrorLocation;
  readonly snippet: string;
  /** The vertex of the graph that failed. */
  readonly vertex: Digest;
  readonly vertexName: string;
  /** The cached result that cannot be read. */
  readonly record: string;
  /** The system's own code: `ENOENT` and the like. */
  readonly errno: string;
  readonly path: string;
  /** The blob, manifest or image it is about. */
  readonly digest: Digest;
  /** The status that Docker's daemon answers with. */
  readonly apiStatus: number;
}

/** A request that was refused, or that got no response. */
export interface RequestDetails {
  readonly host: string;
  /** The HTTP status. */
  readonly status: number;
  /** The registry's own code: `MANIFEST_UNKNOWN` and the like. */
  readonly registryCode: string;
  /** The value of the header `Retry-After`. */
  readonly retryAfter: string;
  readonly failure: ConnectionFailure;
  /** How many times it was tried. */
  readonly tries: number;
}

/** A blob of an image or a layer that is damaged or gone. */
export interface DamageDetails {
  /** The image or layer, by name or digest. */
  readonly image: string;
  readonly blob: Digest;
  readonly damaged: Digest;
  readonly state: DamageState;
}

/** Two values of the same thing, in bytes or as a digest. */
export interface ComparedDetails {
  readonly size: number;
  readonly actual: string | number;
  readonly expected: string;
  readonly offset: number;
}

/** Facts by the error's code. */
export interface DetailsByCode {
  readonly "invalid-argument": {
    /** The command line is wrong: its usage helps. */
    readonly usage: boolean;
    readonly reason: string;
    readonly limit: number;
  };
  readonly "invalid-build": {
    /** The text that is wrong, as the Dockerfile has it. */
    readonly near: string;
    /** The text ended where something was still to come. */
    readonly unfinished: boolean;
    readonly pattern: string;
    readonly entitlement: string;
    readonly limit: number;
    readonly layers: number;
    readonly runtime: string;
  };
  readonly "step-failed": {
    readonly exitCode: number;
    readonly signal: string;
    /** What the OCI runtime said. */
    readonly runtime: string;
  };
  readonly "not-found": RequestDetails &
    DamageDetails & {
      readonly lease: string;
      readonly platform: string;
      /** Platforms that there are. */
      readonly offered: readonly string[];
    };
  readonly "already-exists": ComparedDetails;
  readonly corrupt: ComparedDetails & DamageDetails & { readonly layer: Digest; readonly sqlite: number };
  readonly "limit-exceeded": { readonly limit: number; readonly layers: number; readonly size: number };
  readonly remote: RequestDetails & { readonly exitCode: number };
  readonly unauthorized: RequestDetails;
  readonly unsupported: {
    readonly found: number;
    readonly known: number;
    readonly usage: boolean;
    readonly runtime: string;
  };
  readonly storage: DamageDetails & { readonly sqlite: number };
  readonly busy: { readonly conflict: RemoveConflict; readonly ref: string; readonly sqlite: number };
  readonly cancelled: SharedDetails;
  readonly internal: { readonly sqlite: number };
}

export type Intersection<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

/** Facts a program can use, by the error's code; of an unknown code all that there can be. Each may be absent. */
export type ErrorDetails<C extends ErrorCode = ErrorCode> = {
  readonly [K in keyof (SharedDetails & Intersection<DetailsByCode[C]>)]?:
    | (SharedDetails & Intersection<DetailsByCode[C]>)[K]
    | undefined;
};
