/** Maximum bytes of input that wait until a process reads them. Then the call waits, so that the client is held back. */
const MAX_WAITING = 1_048_576;

/** The input of a process, as its client sends it. Iterate over it once. */
export class ProcessInput implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;
  #isEnded = false;
  #changed = Promise.withResolvers<void>();

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Adds input, and resolves when there is room for more, or when nobody reads it any more. */
  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    this.#change();
    while (this.#size > MAX_WAITING) await this.#changed.promise;
  }

  /** Ends the input after what was added. */
  end(): void {
    this.#isEnded = true;
    this.#change();
  }

  /** Discards what is left, because nobody reads it any more. */
  discard(): void {
    this.#chunks.length = 0;
    this.#size = 0;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        this.#size -= Math.min(chunk.byteLength, this.#size);
        this.#change();
      } else if (this.#isEnded) return;
      else await this.#changed.promise;
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
