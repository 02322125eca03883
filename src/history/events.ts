import { VarveError, throwIfAborted } from "../core/index.ts";
import type { HistoryEvent } from "./types.ts";

/** Maximum number of events that wait for a listener. */
const MAX_WAITING = 4096;

/** Events for one listener, from when it was created. */
export class Listener implements Disposable {
  readonly #ref: string | undefined;
  readonly #close: () => void;
  #waiting: HistoryEvent[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;

  constructor(ref: string | undefined, close: () => void) {
    this.#ref = ref;
    this.#close = close;
  }

  push(event: HistoryEvent): void {
    const ref = event.kind === "deleted" ? event.ref : event.record.ref;
    if (this.#ref !== undefined && this.#ref !== ref) return;
    // One more than the limit shows that the listener is too slow.
    if (this.#waiting.length <= MAX_WAITING) this.#waiting.push(event);
    this.#wake?.();
  }

  /** Lets `events` end after the events that wait. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /**
   * Yields events until `end` is called.
   *
   * @throws {VarveError} `cancelled` if the signal is aborted; `limit-exceeded` if the listener is too slow.
   */
  async *events(signal: AbortSignal | undefined): AsyncGenerator<HistoryEvent> {
    const wake = (): void => this.#wake?.();
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        throwIfAborted(signal, "listen to builds");
        if (this.#waiting.length > MAX_WAITING)
          throw new VarveError("limit-exceeded", `Cannot listen to builds: more than ${MAX_WAITING} events wait`);
        const events = this.#waiting;
        this.#waiting = [];
        yield* events;
        if (events.length > 0) continue;
        if (this.#isEnded) return;
        await this.#next(signal);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  async #next(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#waiting.length > 0 || this.#isEnded || signal?.aborted === true) resolve();
    await promise;
    this.#wake = undefined;
  }
}
