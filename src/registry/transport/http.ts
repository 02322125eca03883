import type { ConnectionFailure } from "../../core/index.ts";
import { type Bytes, bytesOf } from "../../io/index.ts";

/** Response headers: names in lower case, every value of a repeated field in its own entry. */
export type HttpHeaders = ReadonlyMap<string, readonly string[]>;

export interface HttpBody {
  /** Bytes. */
  readonly length: number;
  /** Called once for each try, and only when its connection stands. */
  readonly open: () => Bytes;
}

export interface TransportRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: HttpBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how long nothing has come, in milliseconds, while the other side is waited for. */
  readonly onQuiet?: ((ms: number) => void) | undefined;
}

/**
 * `body` is read once, to its end, or given back by `discard`; until then it holds a connection. Redirects are answers
 * like any other.
 */
export interface TransportResponse {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: Bytes;
  /** Reads a short rest away so that the connection can be used again, and drops the connection otherwise. */
  discard(): Promise<void>;
}

/** A failure below HTTP. It stays inside this module: callers see a `VarveError`. */
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
