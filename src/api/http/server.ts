import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { type ServerOptions as TlsOptions, createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { VarveError } from "../../core/index.ts";
import { acceptPrefaces } from "./http2-preface.ts";
import { discardBody, requestOf } from "./request.ts";
import { sendResponse } from "./response.ts";
import { type Takeovers, acceptUpgrades, isUpgrade } from "./upgrade.ts";
import type { Handler } from "./types.ts";

/** Maximum size of a request's headers in bytes. One header may hold credentials for many registries. */
const MAX_HEADERS = 1_048_576;
const MAX_CONNECTIONS = 1024;
/** Maximum time in ms to receive the headers of a request. */
const HEADERS_TIMEOUT = 20_000;
const KEEP_ALIVE = 60_000;
/** Time in ms after which a stopping server closes connections that still receive a response. */
const GRACE = 5000;

export interface HttpServerOptions {
  readonly tls?: TlsOptions | undefined;
  /** What takes over connections that do not speak HTTP/1. Default: nothing does. */
  readonly takeovers?: Takeovers | undefined;
}

/** HTTP/1.1 server for one `Handler`, based on Node's. Disposing of it stops it. Connections that were taken over stay. */
export class HttpServer implements AsyncDisposable {
  readonly server: Server;
  readonly #handler: Handler;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** The connections that nobody has taken over. */
  readonly #connections = new Set<Duplex>();
  /** The connections that have sent nothing yet. */
  readonly #unknown: Disposable | undefined;

  constructor(handler: Handler, { tls, takeovers }: HttpServerOptions = {}) {
    this.#handler = handler;
    const options = {
      maxHeaderSize: MAX_HEADERS,
      headersTimeout: HEADERS_TIMEOUT,
      connectionsCheckingInterval: 2000,
      keepAliveTimeout: KEEP_ALIVE,
      // An upload has no total time limit. `requestOf` limits the time between two chunks.
      requestTimeout: 0,
      insecureHTTPParser: false,
      shouldUpgradeCallback: (message: IncomingMessage): boolean =>
        takeovers !== undefined && isUpgrade(message, takeovers.upgrade),
    };
    const listener = (message: IncomingMessage, response: ServerResponse): void => {
      const work = this.#serve(message, response).finally(() => this.#running.delete(work));
      this.#running.add(work);
    };
    this.server =
      tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on(tls === undefined ? "connection" : "secureConnection", (connection: Duplex) => {
      this.#connections.add(connection);
      connection.once("close", () => this.#connections.delete(connection));
    });
    if (takeovers === undefined) return;
    acceptUpgrades(this.server, takeovers.upgrade, (connection) => this.#connections.delete(connection));
    if (tls === undefined) this.#unknown = acceptPrefaces(this.server, takeovers.http2, HEADERS_TIMEOUT);
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished)
        gone.abort(new VarveError("cancelled", "Cannot finish the request: the client disconnected"));
    });
    response.on("error", () => undefined);
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal]);
    try {
      const answer = await this.#handler(requestOf(message, signal));
      await sendResponse(response, answer, async () => await discardBody(message));
      // The rest of the body would be parsed as the next request.
      if (!message.complete) message.socket.destroySoon();
    } catch {
      message.socket.destroy();
    }
  }

  /** Stops accepting requests, cancels running ones, waits for them to clean up, and closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.server.close();
    this.server.closeIdleConnections();
    this.#unknown?.[Symbol.dispose]();
    this.#stopping.abort(new VarveError("cancelled", "Cannot finish the request: the server is stopping"));
    const timer = setTimeout(() => this.server.closeAllConnections(), GRACE);
    await Promise.allSettled(this.#running);
    this.server.closeIdleConnections();
    await Promise.all(Array.from(this.#connections, closeOf));
    clearTimeout(timer);
  }
}

async function closeOf(connection: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (connection.closed) resolve();
  else connection.once("close", resolve);
  await promise;
}
