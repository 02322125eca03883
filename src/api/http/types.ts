import type { Bytes } from "../../io/index.ts";

/** A request as a value. Its body is read at most once. */
export interface HttpRequest {
  readonly method: string;
  /** The path as the client sent it: percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Values by name in lower case. The values of a repeated header are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** Value of `Content-Length`; undefined if there is none. The request may still have a body. */
  readonly contentLength: number | undefined;
  readonly body: Bytes;
  /** Aborted when the client disconnects, and when the server stops. */
  readonly signal: AbortSignal;
}

/** A response as a value. Chunks of a stream are sent as they come; a stream that throws breaks the connection. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Bytes | undefined;
}

/** Answers a request. Reports errors as responses instead of throwing them. */
export type Handler = (request: HttpRequest) => Promise<HttpResponse>;
