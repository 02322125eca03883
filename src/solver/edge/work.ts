/** Asynchronous work of one edge that can be called off together. */
export class Work {
  readonly #onError: (error: unknown) => void;
  readonly #onEnd: () => void;
  readonly #calledOff = new Set<Promise<void>>();
  #controller = new AbortController();
  #running = new Set<Promise<void>>();

  constructor(onError: (error: unknown) => void, onEnd: () => void) {
    this.#onError = onError;
    this.#onEnd = onEnd;
  }

  /** Runs a piece of work. Its error counts unless it was called off before. */
  start(work: (signal: AbortSignal) => Promise<void>): void {
    const { signal } = this.#controller;
    const running = this.#running;
    const run = (async (): Promise<void> => {
      try {
        await work(signal);
      } catch (error) {
        if (!signal.aborted) this.#onError(error);
      }
    })();
    running.add(run);
    void run.finally(() => {
      running.delete(run);
      this.#calledOff.delete(run);
      this.#onEnd();
    });
  }

  callOff(): void {
    if (this.#running.size === 0) return;
    for (const run of this.#running) this.#calledOff.add(run);
    this.#running = new Set();
    const controller = this.#controller;
    this.#controller = new AbortController();
    controller.abort();
  }

  /** Resolves when what was called off has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#calledOff);
  }
}
