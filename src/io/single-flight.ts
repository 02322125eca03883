import { VarveError } from "../core/index.ts";

interface Flight<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Shares one running computation per key among concurrent callers. A cancelled caller leaves immediately. The computation is aborted only
 * when all its callers have left.
 */
export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>();

  /** Runs `compute`, or joins the current run of the same key. The result is not cached. */
  run(key: K, compute: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#start(key, compute);
    flight.waiters += 1;
    return this.#wait(key, flight, signal);
  }

  #start(key: K, compute: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const promise = Promise.resolve().then(() => compute(controller.signal));
    const flight: Flight<T> = { promise, controller, waiters: 0 };
    this.#flights.set(key, flight);
    const forget = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    promise.then(forget, forget);
    return flight;
  }

  async #wait(key: K, flight: Flight<T>, signal: AbortSignal | undefined): Promise<T> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => {
      reject(
        signal?.reason instanceof VarveError
          ? signal.reason
          : new VarveError("cancelled", "Cannot wait for shared work: cancelled", { cause: signal?.reason }),
      );
    };
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([flight.promise, aborted]);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      aborted.catch(() => undefined);
      flight.waiters -= 1;
      if (flight.waiters === 0) {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        flight.controller.abort(signal?.reason);
      }
    }
  }
}
