import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { Arrivals } from "./arrivals.ts";
import { GrpcCode, codeOfHttpStatus } from "./code.ts";
import { Drain } from "./drain.ts";
import { GrpcError, abortError } from "./error.ts";
import { MessageReader, PartialBytes, checkMessage, writeMessage } from "./framing.ts";
import { type Messages, messagesOf } from "./messages.ts";
import { Metadata } from "./metadata.ts";
import { receivedStatus } from "./status.ts";
import { formatTimeout } from "./timeout.ts";

export interface CallOptions {
  readonly metadata?: Metadata | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails with `deadlineExceeded`. The server is told. */
  readonly timeout?: number | undefined;
  /** Largest message to receive, in bytes. */
  readonly messageLimit?: number | undefined;
}

const partial = new PartialBytes();

/** Returns the error of calls on a connection that has ended. */
export function connectionClosed(cause?: unknown): GrpcError {
  return new GrpcError(GrpcCode.unavailable, "the connection is closed", { cause });
}

/** Codes of RST_STREAM as codes of gRPC. All others are `internal`. */
const RESETS: ReadonlyMap<number, GrpcCode> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, GrpcCode.unavailable],
  [constants.NGHTTP2_CANCEL, GrpcCode.cancelled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, GrpcCode.resourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, GrpcCode.permissionDenied],
]);

/** A call in progress. Disposing of it cancels it, unless it has ended. */
export class ClientCall implements Disposable {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #drain: Drain;
  readonly #limit: number | undefined;
  readonly #response = Promise.withResolvers<Metadata>();
  readonly #closed = Promise.withResolvers<void>();
  /** Why this side ended the call. */
  #cancelled: Error | undefined;
  #httpStatus = 0;
  #headers: Metadata | undefined;
  #trailers = new Metadata();

  /** @param ended - Aborted when the connection has ended. */
  constructor(session: ClientHttp2Session, path: string, ended: AbortSignal, options: CallOptions) {
    const { metadata = new Metadata(), signal, timeout, messageLimit } = options;
    const stream = session.request(
      {
        ...metadata.toHeaders(),
        ...(timeout === undefined ? {} : { "grpc-timeout": formatTimeout(timeout) }),
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        "user-agent": "grpc-varve",
      },
      { endStream: false },
    );
    this.#session = session;
    this.#stream = stream;
    this.#drain = new Drain(stream);
    this.#limit = messageLimit;
    this.#response.promise.catch(() => undefined);
    stream.on("error", () => undefined);
    stream.once("response", (headers, _flags, raw: readonly string[]) => {
      this.#httpStatus = headers[":status"] ?? 0;
      this.#headers = Metadata.received(raw);
      this.#response.resolve(this.#headers);
    });
    stream.once("trailers", (_headers, _flags, raw: readonly string[]) => (this.#trailers = Metadata.received(raw)));
    this.#watch(signal, ended, timeout);
  }

  /** What the server sent with the status. Complete when `messages` has ended. */
  get trailers(): Metadata {
    return this.#trailers;
  }

  /** Resolves when the response's headers have arrived. Rejects if the call ends without any. */
  get headers(): Promise<Metadata> {
    return this.#response.promise;
  }

  /**
   * The responses. Read at most once. Ends after status 0 only. Leaving it early cancels the call.
   *
   * @throws {GrpcError} The status of the call, or what broke it.
   */
  get messages(): Messages<Uint8Array> {
    return messagesOf(this.#read(), (message) => message);
  }

  /** Resolves when the server has room for more. Throws if the call has ended. */
  async send(message: Uint8Array): Promise<void> {
    checkMessage(message);
    await this.#throwIfEnded();
    if (writeMessage(this.#stream, message)) return;
    await this.#drain.wait();
    await this.#throwIfEnded();
  }

  /** Says that no more messages will be sent. */
  end(): void {
    if (!this.#stream.writableEnded && !this.#stream.destroyed) this.#stream.end();
  }

  /** Ends the call. `reason` becomes its error. */
  cancel(reason: Error = new GrpcError(GrpcCode.cancelled, "context canceled")): void {
    this.#cancelled ??= reason;
    if (this.#stream.closed || this.#stream.destroyed) return;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  #watch(signal: AbortSignal | undefined, ended: AbortSignal, timeout: number | undefined): void {
    const onAbort = (): void => this.cancel(signal === undefined ? undefined : abortError(signal));
    const onEnd = (): void => {
      this.#cancelled ??= abortError(ended);
      this.#stream.destroy();
    };
    const late = (): void => this.cancel(new GrpcError(GrpcCode.deadlineExceeded, "context deadline exceeded"));
    const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
    signal?.addEventListener("abort", onAbort, { once: true });
    ended.addEventListener("abort", onEnd, { once: true });
    this.#stream.once("close", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      ended.removeEventListener("abort", onEnd);
      this.#closed.resolve();
      this.#response.reject(this.#failure());
    });
  }

  async #throwIfEnded(): Promise<void> {
    if (this.#cancelled !== undefined) throw this.#cancelled;
    const { closed, destroyed, writableEnded } = this.#stream;
    if (closed || destroyed) {
      await this.#settle();
      throw this.#failure();
    }
    if (writableEnded) throw new GrpcError(GrpcCode.internal, "the call has ended");
  }

  /**
   * Waits until the status has arrived, or cannot arrive any more. If the server sends the status and resets the stream at once, Node ends
   * the stream before it reports the trailers.
   */
  async #settle(): Promise<void> {
    if (receivedStatus(this.#trailers).kind !== "none" || this.#cancelled !== undefined) return;
    this.#stream.destroy();
    await this.#closed.promise;
  }

  /** Returns the error of a call that did not end with status 0. */
  #failure(): Error {
    if (this.#cancelled !== undefined) return this.#cancelled;
    for (const metadata of [this.#trailers, this.#headers ?? this.#trailers]) {
      const status = receivedStatus(metadata);
      if (status.kind === "error") return status.error;
      if (status.kind === "ok") return new GrpcError(GrpcCode.internal, "the call has ended");
    }
    if (this.#headers !== undefined && this.#httpStatus !== 200)
      return new GrpcError(codeOfHttpStatus(this.#httpStatus), `unexpected HTTP status code ${this.#httpStatus}`);
    if (this.#session.closed || this.#session.destroyed) return connectionClosed();
    const reset = this.#stream.rstCode ?? 0;
    const code = RESETS.get(reset) ?? GrpcCode.internal;
    const why =
      reset === 0
        ? "server closed the stream without sending trailers"
        : `stream terminated by RST_STREAM with error code ${reset}`;
    return new GrpcError(code, why);
  }

  #isOk(): boolean {
    if (this.#cancelled !== undefined || this.#httpStatus !== 200) return false;
    const { kind } = receivedStatus(this.#trailers);
    return kind === "ok" || (kind === "none" && receivedStatus(this.#headers ?? this.#trailers).kind === "ok");
  }

  async *#read(): AsyncGenerator<readonly Uint8Array[]> {
    using reader = new MessageReader(partial, this.#limit);
    using arrivals = new Arrivals(this.#stream);
    let failure: Error | undefined = new GrpcError(GrpcCode.cancelled, "context canceled");
    try {
      for (let chunks = await this.#next(arrivals); chunks !== undefined; chunks = await this.#next(arrivals)) {
        const batch = reader.push(chunks);
        if (batch.length > 0) yield batch;
        reader.check();
      }
      await this.#settle();
      if (!this.#isOk()) throw this.#failure();
      reader.end();
      failure = undefined;
    } catch (error) {
      failure = error instanceof GrpcError ? error : this.#failure();
      throw failure;
    } finally {
      if (failure === undefined) this.end();
      else this.cancel(failure);
    }
  }

  /** Returns what arrives next; undefined if the stream has ended in any way. The status says in which. */
  async #next(arrivals: Arrivals): Promise<readonly Buffer[] | undefined> {
    const chunks = await arrivals.next().catch(() => undefined);
    if (this.#cancelled !== undefined) throw this.#cancelled;
    return chunks;
  }
}
