import type { Digest } from "./digest-type.ts";
import type { ErrorCode } from "./error-code.ts";

/** A place in a Dockerfile. Lines count from 1 and columns from 0, as in BuildKit. */
export interface ErrorLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** What is wrong with a blob's file. */
export type DamageState = "missing" | "wrong-size" | "wrong-digest" | "not-a-file" | "unreadable";

/**
 * Why a request got no response.
 * - `refused`: no process listens; `unresolved`: the host name has no address; `timeout`; `broken`: the connection was lost;
 * - `untrusted`: the certificate is not trusted; `not-tls`: the server does not speak TLS; `handshake`: the server refused the TLS
 *   handshake, most often because it requires a client certificate;
 * - `redirects`: too many redirects;
 * - `malformed`: the response is not HTTP or exceeds a limit.
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

/** Why a verifier of sources refused one: BuildKit's `policysession.DecisionResponse`. */
export interface PolicyRefusal {
  /** For example `DENY`. */
  readonly action: string;
  readonly denyMessages: readonly string[];
}

/** Details that an error of any code can have. */
export interface SharedDetails {
  /** Where in the Dockerfile the error is, and the lines there. */
  readonly location: ErrorLocation;
  readonly snippet: string;
  /** The whole file that the location is in. */
  readonly sourceText: string;
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
  /** True if the client of a build caused the error: it is gone, or lacks something. Another client may have it. */
  readonly fromClient: boolean;
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

/** Details by the error's code. */
export interface DetailsByCode {
  readonly "invalid-argument": {
    /** True if the command line is wrong, so that its usage should be shown. */
    readonly usage: boolean;
    readonly reason: string;
    readonly limit: number;
  };
  readonly "invalid-build": {
    /** The wrong text, as the Dockerfile has it. */
    readonly near: string;
    /** True if the text ended too early. */
    readonly unfinished: boolean;
    readonly pattern: string;
    readonly entitlement: string;
    readonly limit: number;
    readonly layers: number;
    readonly runtime: string;
    readonly policy: PolicyRefusal;
    /** What a build was made from that provenance cannot name by a digest. */
    readonly missingMaterials: readonly {
      /** Digest of the step's vertex; empty for a directory of the client. */
      readonly op: string;
      /** The command of the step, or the name of the directory. */
      readonly name: string;
      readonly method: string;
      readonly uri: string;
      /** For example `local_source` or `unsuccessful_response`. */
      readonly reason: string;
    }[];
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
      /** Platforms that the image offers. */
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
    /** What a policy puts in the place of an image: the identifier of a source of another kind. */
    readonly replacement: string;
  };
  readonly storage: DamageDetails & { readonly sqlite: number };
  readonly busy: { readonly conflict: RemoveConflict; readonly ref: string; readonly sqlite: number };
  readonly cancelled: SharedDetails;
  readonly internal: { readonly sqlite: number };
}

export type Intersection<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

/** Details for programs, by the error's code. Each may be absent. For an unknown code, the details of all codes. */
export type ErrorDetails<C extends ErrorCode = ErrorCode> = {
  readonly [K in keyof (SharedDetails & Intersection<DetailsByCode[C]>)]?:
    | (SharedDetails & Intersection<DetailsByCode[C]>)[K]
    | undefined;
};
