import type { Bytes } from "../../io/index.ts";

/** A request as a value. Its body is read at most once. */
export interface HttpRequest {
  readonly method: string;
  /** As it was sent, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By name in lower case; of a header that came several times, the values joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes the client announced; undefined if it did not say how many, with or without a body. */
  readonly contentLength: number | undefined;
  readonly body: Bytes;
  /** Aborted when the client goes away, and when the server stops. */
  readonly signal: AbortSignal;
}

/** A response as a value. A stream is sent piece by piece as it comes; one that throws breaks the connection. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Bytes | undefined;
}

/** Answers a request; never throws what it can put into a response. */
export type Handler = (request: HttpRequest) => Promise<HttpResponse>;
