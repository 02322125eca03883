import { tellQuiet } from "../../io/index.ts";

export interface Notices {
  /** Milliseconds of silence before the first. */
  readonly first: number;
  /** Told how long nothing has come. */
  readonly tell: ((ms: number) => void) | undefined;
}

/**
 * Calls `onQuiet` when somebody has waited for the other side longer than `quietMs`. Time in which nobody waits does not
 * count, so a slow reader or writer on this side is never taken for a dead peer.
 */
export class Watchdog implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #notices: Notices;
  #waiting = 0;

  constructor(quietMs: number, notices: Notices, onQuiet: () => void) {
    this.#notices = notices;
    this.#timer = setTimeout(() => {
      if (this.#waiting > 0) onQuiet();
    }, quietMs);
    this.#timer.unref();
  }

  /** Waits for `promise` with the clock running from now. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    this.#waiting += 1;
    this.#timer.refresh();
    try {
      return await tellQuiet(promise, this.#notices.tell, this.#notices.first);
    } finally {
      this.#waiting -= 1;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
