import type { MessagePort } from "node:worker_threads";
import type { Bytes } from "../../io/index.ts";
import { type PackedError, packError, unpackError } from "./packed-error.ts";

type Message =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** All bytes have been sent. */
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly error: PackedError }
  /** One more chunk may be sent. */
  | { readonly kind: "more" }
  /** Nobody wants any more bytes. */
  | { readonly kind: "enough" }
  | { readonly kind: "abort"; readonly reason: PackedError }
  | { readonly kind: "result"; readonly value: unknown };

/** Chunks that may be on their way, or waiting at the other end. */
const WINDOW = 8;

/** What happens to a chunk that is sent. */
export type Sending =
  /** Whoever made it may use its array again. */
  | "copy"
  /** Nobody does; it goes without being copied if it is all of its array. */
  | "move";

/**
 * One end of the line between a job in a thread and whoever asked for it. Bytes go one way, and no more of them than the other
 * end has room for; then come a result or an error.
 */
export class Line {
  /** Aborted when the other end says so. */
  readonly signal: AbortSignal;
  readonly #port: MessagePort;
  readonly #abort = new AbortController();
  readonly #arrived: Message[] = [];
  #room = WINDOW;
  #isWanted = true;
  #lost: Error | undefined;
  #wake: () => void = () => undefined;

  /** `lost` makes the error for a line that ends too early. */
  constructor(port: MessagePort, lost: () => Error) {
    this.#port = port;
    this.signal = this.#abort.signal;
    port.on("message", (message: Message) => this.#take(message));
    port.on("close", () => {
      this.#lost = lost();
      this.#isWanted = false;
      this.#wake();
    });
  }

  /** Sends bytes as long as they are wanted, and says that this was all; an error of theirs goes to the other end. */
  async send(bytes: Bytes, sending: Sending): Promise<void> {
    try {
      for await (const chunk of bytes) {
        while (this.#isWanted && this.#room === 0) await this.#change();
        if (!this.#isWanted) return;
        this.#room -= 1;
        const whole = sending === "move" && chunk.byteLength === chunk.buffer.byteLength;
        const sent = whole ? (chunk as Uint8Array<ArrayBuffer>) : new Uint8Array(chunk);
        this.#port.postMessage({ kind: "bytes", bytes: sent }, [sent.buffer]);
      }
      this.#post({ kind: "end" });
    } catch (error) {
      this.fail(error);
    }
  }

  /** The bytes that the other end sends; throws what fails there. */
  async *receive(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const message = await this.#next();
        if (message.kind === "end") return;
        if (message.kind === "failed") throw unpackError(message.error);
        if (message.kind !== "bytes") continue;
        this.#post({ kind: "more" });
        yield message.bytes;
      }
    } finally {
      this.#post({ kind: "enough" });
    }
  }

  /** What the other end came to; throws what failed there. Bytes that are still on their way are dropped. */
  async result(): Promise<unknown> {
    for (;;) {
      const message = await this.#next();
      if (message.kind === "result") return message.value;
      if (message.kind === "failed") throw unpackError(message.error);
    }
  }

  /** Waits for the result, whatever it is, or for the end of the line. */
  async ended(): Promise<void> {
    for (let over = this.#lost !== undefined; !over;) {
      over = await this.#next().then(
        ({ kind }) => kind === "result",
        () => true,
      );
    }
  }

  /** Says that the job is over. */
  succeed(value: unknown): void {
    this.#post({ kind: "result", value });
  }

  /** Says what failed. */
  fail(error: unknown): void {
    this.#post({ kind: "failed", error: packError(error) });
  }

  /** Aborts the other end's `signal`. */
  abort(reason: unknown): void {
    this.#post({ kind: "abort", reason: packError(reason) });
  }

  close(): void {
    this.#port.close();
  }

  #post(message: Message): void {
    this.#port.postMessage(message, []);
  }

  #take(message: Message): void {
    if (message.kind === "more") this.#room += 1;
    else if (message.kind === "abort") this.#abort.abort(unpackError(message.reason));
    else {
      if (message.kind !== "bytes" && message.kind !== "end") this.#isWanted = false;
      if (message.kind !== "enough") this.#arrived.push(message);
    }
    this.#wake();
  }

  async #next(): Promise<Message> {
    for (;;) {
      const message = this.#arrived.shift();
      if (message !== undefined) return message;
      if (this.#lost !== undefined) throw this.#lost;
      await this.#change();
    }
  }

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
