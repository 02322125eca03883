import type { MessagePort } from "node:worker_threads";
import { type Bytes, freeable } from "../../io/index.ts";
import type { Unpacked } from "../unpack/unpack.ts";
import { type PackedError, packError, unpackError } from "./packed-error.ts";

type Message =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** The sender has sent all bytes. */
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly error: PackedError }
  /** The receiver has taken a chunk, so that the sender may send another one. */
  | { readonly kind: "more" }
  /** The receiver takes no more bytes. */
  | { readonly kind: "enough" }
  | { readonly kind: "abort"; readonly reason: PackedError }
  | { readonly kind: "result"; readonly value: Unpacked | undefined };

/** The number of chunks that may be sent before the receiver takes one of them. */
const WINDOW = 8;

/** What happens to the array of a chunk that is sent. */
export type Sending =
  /** The caller may use it again. */
  | "copy"
  /** The caller does not use it again. A chunk that is the whole of its array is transferred without copying. */
  | "move";

/**
 * One end of the channel between a job in a thread and the thread that started the job. Bytes go in one direction, at most
 * `WINDOW` chunks at a time. Then the job sends its result or an error.
 */
export class JobChannel {
  /** Aborted when the other end calls `abort`. */
  readonly signal: AbortSignal;
  readonly #port: MessagePort;
  readonly #abort = new AbortController();
  readonly #received: Message[] = [];
  #window = WINDOW;
  /** The other end still takes bytes. */
  #isReceiving = true;
  /** Set when the channel was closed before the job ended. */
  #closed: Error | undefined;
  #wake: () => void = () => undefined;

  /** `closedError` returns the error for a channel that is closed before the job has ended. */
  constructor(port: MessagePort, closedError: () => Error) {
    this.#port = port;
    this.signal = this.#abort.signal;
    port.on("message", (message: Message) => this.#handle(message));
    port.on("close", () => {
      this.#closed = closedError();
      this.#isReceiving = false;
      this.#wake();
    });
  }

  /** Sends bytes until they end or the receiver takes no more. Sends an error of `bytes` to the other end. */
  async send(bytes: Bytes, sending: Sending): Promise<void> {
    try {
      for await (const chunk of bytes) {
        while (this.#isReceiving && this.#window === 0) await this.#change();
        if (!this.#isReceiving) return;
        this.#window -= 1;
        const { buffer } = chunk;
        const isTransferable =
          sending === "move" && buffer instanceof ArrayBuffer && chunk.byteLength === buffer.byteLength;
        const sent = isTransferable ? new Uint8Array(buffer) : new Uint8Array(chunk);
        this.#port.postMessage({ kind: "bytes", bytes: sent }, [sent.buffer]);
      }
      this.#post({ kind: "end" });
    } catch (error) {
      this.fail(error);
    }
  }

  /** Returns the bytes that the other end sends. Throws an error of the other end. */
  async *receive(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const message = await this.#next();
        if (message.kind === "end") return;
        if (message.kind === "failed") throw unpackError(message.error);
        if (message.kind !== "bytes") continue;
        this.#post({ kind: "more" });
        yield freeable(message.bytes);
      }
    } finally {
      this.#post({ kind: "enough" });
    }
  }

  /** Waits for the result of the job: what was unpacked, undefined for a `DiffJob`. Throws its error. Drops unread bytes. */
  async result(): Promise<Unpacked | undefined> {
    for (;;) {
      const message = await this.#next();
      if (message.kind === "result") return message.value;
      if (message.kind === "failed") throw unpackError(message.error);
    }
  }

  /** Waits until the job has succeeded or failed, or the channel is closed. */
  async ended(): Promise<void> {
    for (let over = this.#closed !== undefined; !over;) {
      over = await this.#next().then(
        ({ kind }) => kind === "result",
        () => true,
      );
    }
  }

  /** Sends the result of the job. */
  succeed(value: Unpacked | undefined): void {
    this.#post({ kind: "result", value });
  }

  /** Sends an error. */
  fail(error: unknown): void {
    this.#post({ kind: "failed", error: packError(error) });
  }

  /** Aborts the `signal` of the other end. */
  abort(reason: unknown): void {
    this.#post({ kind: "abort", reason: packError(reason) });
  }

  close(): void {
    this.#port.close();
  }

  #post(message: Message): void {
    this.#port.postMessage(message, []);
  }

  #handle(message: Message): void {
    if (message.kind === "more") this.#window += 1;
    else if (message.kind === "abort") this.#abort.abort(unpackError(message.reason));
    else {
      if (message.kind !== "bytes" && message.kind !== "end") this.#isReceiving = false;
      if (message.kind !== "enough") this.#received.push(message);
    }
    this.#wake();
  }

  async #next(): Promise<Message> {
    for (;;) {
      const message = this.#received.shift();
      if (message !== undefined) return message;
      if (this.#closed !== undefined) throw this.#closed;
      await this.#change();
    }
  }

  /** Waits for the next message or the end of the channel. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#wake;
      this.#wake = (): void => {
        this.#wake = (): void => undefined;
        before();
        resolve();
      };
    });
  }
}
