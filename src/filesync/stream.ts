import { setTimeout as sleep } from "node:timers/promises";
import { VarveError, throwIfAborted } from "../core/index.ts";
import { encodePacket, type Packet } from "./wire/packet.ts";

/**
 * A connection to the other side: a stream of encoded messages in each direction. It may be the client's end or the server's
 * end of a call.
 */
export interface MessageStream {
  /**
   * The messages from the other side, as many at a time as have arrived together, until it closes its direction. Throws if the connection
   * or the call has failed.
   */
  readonly receive: AsyncIterable<readonly Uint8Array[]>;
  /** Sends a message. The promise resolves when the next message can be sent. Only one call is made at a time. */
  readonly send: (message: Uint8Array) => Promise<void>;
  /** Closes this direction. At a server's end, this ends the call with success, and `receive` ends. */
  readonly closeSend: () => Promise<void>;
}

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with the size of all packets that were transferred so far, in bytes: at most every 100 ms, and at the end. The content
   * of files is a part of them.
   */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** Milliseconds between two reports of progress. */
const REPORT_INTERVAL = 100;

/** Counts the bytes of a transfer, and reports them. */
export class TransferProgress {
  readonly #report: ((bytes: number) => void) | undefined;
  #bytes = 0;
  #reportedAt = -Infinity;

  constructor({ onProgress }: TransferOptions) {
    this.#report = onProgress;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#report === undefined) return;
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_INTERVAL) return;
    this.#reportedAt = now;
    this.#report(this.#bytes);
  }

  end(): void {
    this.#report?.(this.#bytes);
  }
}

/** How long to wait until an error packet is sent. Milliseconds. */
const REPORT_TIMEOUT = 1000;

/** Packets over a stream. Sends in order, and notices a failure of one direction while it waits for the other. */
export class PacketStream implements Disposable {
  readonly #stream: MessageStream;
  readonly #received: AsyncIterator<readonly Uint8Array[]>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void;
  #sending: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #onFailure: ((error: unknown) => void) | undefined;
  /** The error of the stream itself. */
  #streamError: { readonly error: unknown } | undefined;
  /** Ends the waiting for a message that is being sent. */
  #stopSending: (() => void) | undefined;

  constructor(stream: MessageStream, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#received = stream.receive[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#abort = (): void => this.fail(cancelled(signal));
    if (signal?.aborted === true) this.#abort();
    else signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Calls `take` with each encoded packet, and awaits what it returns, until the end of the stream. Throws the error of `fail`. */
  async each(take: (message: Uint8Array) => Promise<void> | undefined): Promise<void> {
    for (let batch = await this.#next(); batch !== undefined; batch = await this.#next())
      for (const message of batch) {
        // Most packets need no waiting, and there are many of them.
        const taken = take(message);
        if (taken !== undefined) await taken;
        if (this.#failure !== undefined) throw this.#failure.error;
      }
  }

  /** Sends a packet after those that are being sent. Returns its size when the next one can be sent. Never rejects. */
  async send(packet: Packet): Promise<number> {
    const message = encodePacket(packet);
    const before = this.#sending;
    this.#sending = this.#sendAfter(before, message);
    await this.#sending;
    return message.length;
  }

  /** Makes `each` throw. The first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#onFailure?.(this.#failure.error);
    this.#stopSending?.();
  }

  /**
   * Tells the other side that this side has failed, unless the stream itself has. Waits only briefly, because the other side may
   * have stopped reading.
   */
  async reportError(text: string): Promise<void> {
    if (this.#streamError !== undefined) return;
    const sent = this.#stream.send(encodePacket({ type: "error", text })).catch(() => undefined);
    await Promise.race([sent, sleep(REPORT_TIMEOUT, undefined, { ref: false })]);
  }

  /** True for an error that the stream has thrown. */
  isStreamError(error: unknown): boolean {
    return this.#streamError !== undefined && this.#streamError.error === error;
  }

  /** True if one direction has failed, or the signal was aborted. */
  get isFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Closes the direction to the other side, after all packets. */
  async closeSend(): Promise<void> {
    await this.#sending;
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#stream.closeSend().catch((error: unknown) => {
      throw this.#failed(error);
    });
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    // A generator that waits for a message does not return before it has one.
    this.#received.return?.()?.catch(() => undefined);
  }

  async #sendAfter(before: Promise<void>, message: Uint8Array): Promise<void> {
    await before;
    if (this.#failure !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopSending = resolve;
    this.#stream.send(message).then(resolve, (error: unknown) => this.fail(this.#failed(error)));
    await promise;
  }

  /** Notes that the stream has failed. */
  #failed(error: unknown): unknown {
    this.#streamError ??= { error };
    return error;
  }

  #next(): Promise<readonly Uint8Array[] | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Uint8Array[] | undefined>();
    if (this.#failure !== undefined) reject(this.#failure.error);
    else {
      this.#onFailure = reject;
      this.#received.next().then(
        (result) => resolve(result.done === true ? undefined : result.value),
        (error: unknown) => reject(this.#failed(error)),
      );
    }
    return promise;
  }
}

function cancelled(signal: AbortSignal | undefined): unknown {
  try {
    throwIfAborted(signal, "transfer files");
  } catch (error) {
    return error;
  }
  return new VarveError("cancelled", "Cannot transfer files: cancelled");
}
