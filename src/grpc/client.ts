import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from "node:http2";
import type { Duplex } from "node:stream";
import { type CallOptions, ClientCall, connectionClosed } from "./client-call.ts";
import { abortError } from "./error.ts";
import { GrpcLimits } from "./limits.ts";
import { widenWindow } from "./server-connection.ts";

export interface GrpcClientOptions {
  /** Host name in the requests' `:authority`. */
  readonly authority?: string | undefined;
}

const OPTIONS: SecureClientSessionOptions = {
  maxSendHeaderBlockLength: GrpcLimits.sentHeaderBytes,
  maxHeaderListPairs: GrpcLimits.headerFields,
  maxSessionMemory: GrpcLimits.connectionMegabytes,
  settings: {
    enablePush: false,
    initialWindowSize: GrpcLimits.clientStreamWindow,
    maxHeaderListSize: GrpcLimits.headerBytes,
  },
};

/** Calls the methods of a gRPC server over one connection. Disposing of the client ends the connection and its calls. */
export class GrpcClient implements Disposable {
  readonly #session: ClientHttp2Session;
  readonly #ended = new AbortController();
  #failure: unknown;

  /** @param connection - A socket or any other stream. The client owns it from now on. */
  constructor(connection: Duplex, { authority = "localhost" }: GrpcClientOptions = {}) {
    connection.on("error", (error) => (this.#failure ??= error));
    const session = connect(`http://${authority}`, { ...OPTIONS, createConnection: () => connection });
    session.on("error", (error) => (this.#failure ??= error));
    session.once("connect", () => widenWindow(session));
    session.once("close", () => this.#end());
    connection.once("close", () => session.destroy());
    if (connection.destroyed) session.destroy();
    this.#session = session;
  }

  /** Aborted when the connection has ended. Its reason is the error of calls that were running. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Starts a call. Its messages and headers throw what goes wrong.
   *
   * @throws {GrpcError} `unavailable` if the connection has ended; the signal's reason if it is aborted.
   */
  start(path: string, options: CallOptions = {}): ClientCall {
    if (options.signal?.aborted === true) throw abortError(options.signal);
    if (this.signal.aborted) throw abortError(this.signal);
    if (this.#session.closed || this.#session.destroyed) throw connectionClosed(this.#failure);
    return new ClientCall(this.#session, path, this.signal, options);
  }

  /** Ends the connection. `reason` becomes the error of running calls and of later ones. */
  close(reason?: Error): void {
    this.#end(reason);
    this.#session.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #end(reason: Error = connectionClosed(this.#failure)): void {
    this.#ended.abort(reason);
  }
}
