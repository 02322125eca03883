import { VarveError } from "../core/index.ts";
import { pause } from "../http/index.ts";

/** The first and the longest pause if the server names none, in milliseconds. Each is twice as long as the one before. */
const FIRST = 1000;
const LONGEST = 90_000;

/** One request that may be throttled. */
export interface ThrottledRequest {
  /**
   * The server has throttled the request (429). Returns the milliseconds to wait until the next attempt: what the server asks for, else
   * those of the back-off that all requests share.
   *
   * @throws the error, with what is exceeded, if the pauses of the request would exceed its budget.
   */
  refused(error: VarveError, asked: number | undefined): number;
}

/** Pauses of requests to a server that limits its rate. While one request waits, none is sent. */
export class Throttle {
  readonly #budget: number;
  #next = FIRST;
  #until = 0;

  /** @param budget - Milliseconds that each request may wait in all. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  request(): ThrottledRequest {
    let spent = 0;
    return {
      refused: (error, asked) => {
        const ms = asked ?? this.#next;
        if (asked === undefined) this.#next = Math.min(LONGEST, 2 * this.#next);
        if (spent + ms > this.#budget) throw this.#exhausted(error, asked);
        spent += ms;
        this.#until = Math.max(this.#until, Date.now() + ms);
        return ms;
      },
    };
  }

  /** Waits until a request may be sent. */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    for (let ms = this.#until - Date.now(); ms > 0; ms = this.#until - Date.now()) await pause(ms, signal);
  }

  /** A request has succeeded: the back-off starts anew. */
  succeeded(): void {
    this.#next = FIRST;
  }

  #exhausted(error: VarveError, asked: number | undefined): VarveError {
    const why =
      asked === undefined ? "maximum timeout reached" : `requested delay ${asked / 1000}s exceeds maximum timeout`;
    return new VarveError(error.code, `${error.message}: ${why}`, {
      details: error.details,
      cause: error,
      hint: "Wait, or set timeout to a longer time.",
    });
  }
}
