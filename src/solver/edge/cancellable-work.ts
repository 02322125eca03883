/** The asynchronous work of one edge, which is cancelled as a whole. */
export class CancellableWork {
  readonly #onError: (error: unknown) => void;
  readonly #onEnd: () => void;
  readonly #cancelled = new Set<Promise<void>>();
  #controller = new AbortController();
  #running = new Set<Promise<void>>();

  constructor(onError: (error: unknown) => void, onEnd: () => void) {
    this.#onError = onError;
    this.#onEnd = onEnd;
  }

  /** Starts a piece of work. Its error is reported, unless the work was cancelled before. */
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
      this.#cancelled.delete(run);
      this.#onEnd();
    });
  }

  /** Aborts everything that is running. New work can be started at once. */
  cancel(): void {
    if (this.#running.size === 0) return;
    for (const run of this.#running) this.#cancelled.add(run);
    this.#running = new Set();
    const controller = this.#controller;
    this.#controller = new AbortController();
    controller.abort();
  }

  /** Resolves when all cancelled work has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#cancelled);
  }
}
