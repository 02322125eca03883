import { tellQuiet } from "../io/index.ts";

export interface Notices {
  /** Milliseconds of silence before the first report. */
  readonly first: number;
  /** Called with the duration of silence. */
  readonly tell: ((ms: number) => void) | undefined;
}

/**
 * Calls `onQuiet` after a wait for the server of more than `quietMs`. Only waiting time counts, so that a slow reader or writer on this side
 * is never taken for a dead server.
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

  /** Waits for `promise` and counts the time. */
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
