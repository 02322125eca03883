import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Arrivals } from "./arrivals.ts";
import { GrpcCode } from "./code.ts";
import { Drain } from "./drain.ts";
import { GrpcError, abortError } from "./error.ts";
import { MessageReader, type PartialBytes, checkMessage, writeMessage } from "./framing.ts";
import { type Messages, messagesOf } from "./messages.ts";
import { Metadata } from "./metadata.ts";
import { statusHeaders } from "./status.ts";

/** What a handler knows of a call, besides its messages. */
export interface CallContext {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** What the client sent. */
  readonly metadata: Metadata;
  /** Aborted when the client resets the stream, when its connection ends, at the call's deadline, and when the server aborts calls. */
  readonly signal: AbortSignal;
  /** Aborted when the server begins to stop. A call that waits for events ends then; other calls are finished. */
  readonly stopping: AbortSignal;
  /** Sent with the status. */
  readonly trailers: Metadata;
  /** Sends the response's headers. Without it, the first message does. A second call does nothing. */
  sendHeaders(metadata?: Metadata): void;
}

/** A call as a handler sees it. It has ended when the handler's promise settles. */
export interface ServerCall extends CallContext {
  /** Throws the signal's reason, or the error of a malformed message. Read at most once. */
  readonly messages: Messages<Uint8Array>;
  /** Resolves when the client has room for more. Throws the signal's reason after the end of the call. */
  send(message: Uint8Array): Promise<void>;
}

const HEADERS = { ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity" } as const;

export interface StreamCallOptions {
  readonly path: string;
  readonly metadata: Metadata;
  readonly stopping: AbortSignal;
  readonly partial: PartialBytes;
}

/** A call on a stream of HTTP/2. */
export class StreamCall implements ServerCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly stopping: AbortSignal;
  readonly trailers: Metadata = new Metadata();
  readonly #stream: ServerHttp2Stream;
  readonly #partial: PartialBytes;
  readonly #drain: Drain;
  readonly #ending = new AbortController();

  constructor(stream: ServerHttp2Stream, { path, metadata, stopping, partial }: StreamCallOptions) {
    this.#stream = stream;
    this.path = path;
    this.metadata = metadata;
    this.stopping = stopping;
    this.#partial = partial;
    this.#drain = new Drain(stream);
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get messages(): Messages<Uint8Array> {
    return messagesOf(this.#read(), (message) => message);
  }

  abort(reason: GrpcError): void {
    this.#ending.abort(reason);
  }

  sendHeaders(metadata: Metadata = new Metadata()): void {
    const stream = this.#stream;
    if (stream.headersSent || stream.closed || stream.destroyed) return;
    stream.respond({ ...metadata.toHeaders(), ...HEADERS }, { waitForTrailers: true });
  }

  async send(message: Uint8Array): Promise<void> {
    checkMessage(message);
    this.#throwIfEnded();
    this.sendHeaders();
    if (writeMessage(this.#stream, message)) return;
    await this.#drain.wait();
    this.#throwIfEnded();
  }

  /** Sends the status, and makes the client stop sending. */
  finish(error: GrpcError | undefined): void {
    const stream = this.#stream;
    if (stream.closed || stream.destroyed) return;
    const trailers = { ...this.trailers.toHeaders(), ...statusHeaders(error) };
    if (stream.headersSent || error === undefined) {
      this.sendHeaders();
      this.#sendTrailers(trailers);
    } else {
      stream.respond({ ...trailers, ...HEADERS }, { endStream: true });
      setImmediate(() => this.#stopClient());
    }
    stream.resume();
  }

  #sendTrailers(trailers: OutgoingHttpHeaders): void {
    const stream = this.#stream;
    stream.once("wantTrailers", () => {
      stream.sendTrailers(trailers);
      setImmediate(() => this.#stopClient());
    });
    stream.end();
  }

  #stopClient(): void {
    const stream = this.#stream;
    if (!stream.readableEnded && !stream.closed && !stream.destroyed) stream.close();
  }

  #throwIfEnded(): void {
    if (this.signal.aborted) throw abortError(this.signal);
    if (this.#stream.closed || this.#stream.writableEnded) throw new GrpcError(GrpcCode.cancelled, "context canceled");
  }

  async *#read(): AsyncGenerator<readonly Uint8Array[]> {
    using reader = new MessageReader(this.#partial);
    using arrivals = new Arrivals(this.#stream);
    try {
      for (let chunks = await arrivals.next(); chunks !== undefined; chunks = await arrivals.next()) {
        if (this.signal.aborted) throw abortError(this.signal);
        const batch = reader.push(chunks);
        if (batch.length > 0) yield batch;
        reader.check();
      }
    } catch (error) {
      throw this.signal.aborted ? abortError(this.signal) : error;
    }
    // A stream that was reset ends like one that the client closed.
    this.#throwIfEnded();
    reader.end();
  }
}
