import type { Readable } from "node:stream";

/** Bytes that wait for their reader before the sender is held back. */
const HELD = 262_144;

/**
 * The chunks of a stream, as many at a time as arrive in one turn of the event loop. A stream's own iterator wakes its reader for each
 * chunk, which takes most of the time where they are many and small. Disposing of it stops the stream from flowing, and does not end it.
 */
export class Arrivals implements Disposable {
  readonly #stream: Readable;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #isWaking = false;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", this.#onData);
    for (const event of ["end", "close", "error"]) stream.on(event, this.#wake);
  }

  /**
   * Returns what has arrived since the last call, or waits for it; undefined at the end of the stream.
   *
   * @throws The error of the stream, or one that says that it was destroyed before its end.
   */
  async next(): Promise<readonly Buffer[] | undefined> {
    for (;;) {
      if (this.#chunks.length > 0) return this.#take();
      const { readableEnded, errored, destroyed } = this.#stream;
      if (readableEnded) return undefined;
      if (errored !== null) throw errored;
      if (destroyed) throw new Error("the stream was destroyed before its end");
      this.#waiting = Promise.withResolvers<void>();
      await this.#waiting.promise;
    }
  }

  [Symbol.dispose](): void {
    this.#stream.off("data", this.#onData);
    for (const event of ["end", "close", "error"]) this.#stream.off(event, this.#wake);
    this.#stream.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= HELD) this.#stream.pause();
    this.#wake();
  };

  /** After this turn of the event loop: more chunks may be about to arrive in it. */
  readonly #wake = (): void => {
    if (this.#waiting === undefined || this.#isWaking) return;
    this.#isWaking = true;
    setImmediate(() => {
      this.#isWaking = false;
      this.#waiting?.resolve();
      this.#waiting = undefined;
    });
  };

  #take(): readonly Buffer[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    if (this.#bytes >= HELD) this.#stream.resume();
    this.#bytes = 0;
    return chunks;
  }
}
