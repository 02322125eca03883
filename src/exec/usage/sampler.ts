export interface SamplerOptions<T> {
  readonly sample: () => T;
  /** Milliseconds between two samples. Default: 2,000, as BuildKit's. */
  readonly interval?: number | undefined;
  /** After so many samples, the time between two is doubled, so that what runs for long has few. */
  readonly most: number;
}

const INTERVAL = 2000;

/** Takes samples from time to time, until it is closed or disposed of. Does not keep the process alive. */
export class Sampler<T> implements Disposable {
  readonly #options: SamplerOptions<T>;
  readonly #samples: T[] = [];
  #interval: number;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SamplerOptions<T>) {
    this.#options = options;
    this.#interval = options.interval ?? INTERVAL;
    this.#schedule();
  }

  /** Takes a last sample, and no more. Returns all samples. Later calls return the same. */
  close(): readonly T[] {
    if (!this.#isClosed) this.#samples.push(this.#options.sample());
    this[Symbol.dispose]();
    return this.#samples;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#samples.push(this.#options.sample());
      if (this.#samples.length % this.#options.most === 0) this.#interval *= 2;
      this.#schedule();
    }, this.#interval);
    this.#timer.unref();
  }
}
