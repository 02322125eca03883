import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { type ServerOptions as TlsOptions, createServer as createTlsServer } from "node:https";
import { VarveError } from "../../core/index.ts";
import { discardBody, requestOf } from "./request.ts";
import { sendResponse } from "./response.ts";
import type { Handler } from "./types.ts";

/** Bytes of all the headers of a request: registry credentials of many hosts come in one. */
const MAX_HEADERS = 1_048_576;
const MAX_CONNECTIONS = 1024;
/** ms from the first byte of a request to the last of its headers. */
const HEADERS_TIMEOUT = 20_000;
const KEEP_ALIVE = 60_000;
/** ms for clients to take what was still to be said when the server stops. */
const GRACE = 5000;

/** HTTP/1.1 over Node's server: one `Handler`, any number of addresses. */
export class HttpServer implements AsyncDisposable {
  readonly server: Server;
  readonly #handler: Handler;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(handler: Handler, tls?: TlsOptions) {
    this.#handler = handler;
    const options = {
      maxHeaderSize: MAX_HEADERS,
      headersTimeout: HEADERS_TIMEOUT,
      connectionsCheckingInterval: 2000,
      keepAliveTimeout: KEEP_ALIVE,
      // An upload may take as long as it moves: `requestOf` sees to that.
      requestTimeout: 0,
      insecureHTTPParser: false,
    };
    const listener = (message: IncomingMessage, response: ServerResponse): void => {
      const work = this.#serve(message, response).finally(() => this.#running.delete(work));
      this.#running.add(work);
    };
    this.server =
      tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) gone.abort(new VarveError("cancelled", "Cannot go on: the client went away"));
    });
    response.on("error", () => undefined);
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal]);
    try {
      const answer = await this.#handler(requestOf(message, signal));
      await sendResponse(response, answer, async () => await discardBody(message));
      // What is left of the body would be read as the next request.
      if (!message.complete) message.socket.destroySoon();
    } catch {
      message.socket.destroy();
    }
  }

  /** Takes no further request, cancels those that run, waits for them to clean up, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const closed = Promise.withResolvers<void>();
    this.server.close(() => closed.resolve());
    this.server.closeIdleConnections();
    this.#stopping.abort(new VarveError("cancelled", "Cannot go on: the server is stopping"));
    const timer = setTimeout(() => this.server.closeAllConnections(), GRACE);
    await Promise.allSettled(this.#running);
    this.server.closeIdleConnections();
    await closed.promise;
    clearTimeout(timer);
  }
}
