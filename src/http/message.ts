import type { ConnectionFailure } from "../core/index.ts";
import { type Bytes, bytesOf } from "../io/index.ts";

/** Response headers: names in lower case, every value of a repeated field in its own entry. */
export type HttpHeaders = ReadonlyMap<string, readonly string[]>;

export interface HttpBody {
  /** Bytes. */
  readonly length: number;
  /** Called once per attempt, after the connection was made. */
  readonly open: () => Bytes;
}

export interface TransportRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: HttpBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the duration of silence in milliseconds while the request waits for the server. */
  readonly onQuiet?: ((ms: number) => void) | undefined;
}

/**
 * Read `body` once to its end, or call `discard`; until then it holds a connection. Redirects are not followed.
 */
export interface TransportResponse {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: Bytes;
  /** Reads a short rest of the body so that the connection can be reused; otherwise closes the connection. */
  discard(): Promise<void>;
}

/** A failure below HTTP. Modules above turn it into a `VarveError`. */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly kind: ConnectionFailure;

  constructor(kind: ConnectionFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

export function bodyOf(bytes: Uint8Array): HttpBody {
  return { length: bytes.byteLength, open: () => bytesOf(bytes) };
}

/** The only or first value of a header. */
export function headerOf(headers: HttpHeaders, name: string): string | undefined {
  return headers.get(name)?.[0];
}
