import { throwIfAborted } from "../core/index.ts";

/** At most `permits` holders at a time; others wait in order of arrival. */
export class Semaphore {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(permits: number) {
    this.#free = Math.max(1, Math.floor(permits));
  }

  /** Waits for a permit. Dispose of what it returns to give the permit back. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    throwIfAborted(signal, "wait for a free slot");
    if (this.#free > 0) this.#free -= 1;
    else await this.#enqueue(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#release();
        held = false;
      },
    };
  }

  /** Runs `work` while holding a permit. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    using _permit = await this.acquire(signal);
    return await work();
  }

  #release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }

  #enqueue(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      signal?.removeEventListener("abort", leave);
      resolve();
    };
    const leave = (): void => {
      const at = this.#queue.indexOf(enter);
      if (at >= 0) this.#queue.splice(at, 1);
      try {
        throwIfAborted(signal, "wait for a free slot");
      } catch (error) {
        reject(error);
      }
    };
    this.#queue.push(enter);
    signal?.addEventListener("abort", leave, { once: true });
    return promise;
  }
}
