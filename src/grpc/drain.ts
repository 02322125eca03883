import type { Writable } from "node:stream";

/** Resolves when a stream takes more data or is closed. Concurrent callers share the listeners. */
export class Drain {
  readonly #stream: Writable;
  #waiting: Promise<void> | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  wait(): Promise<void> {
    if (this.#stream.closed || this.#stream.destroyed) return Promise.resolve();
    this.#waiting ??= this.#listen();
    return this.#waiting;
  }

  #listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = (): void => {
      this.#stream.off("drain", done);
      this.#stream.off("close", done);
      this.#waiting = undefined;
      resolve();
    };
    this.#stream.on("drain", done);
    this.#stream.on("close", done);
    return promise;
  }
}
