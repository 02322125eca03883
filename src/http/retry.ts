import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../core/index.ts";
import type { HttpFailure } from "./message.ts";

/** Times are in milliseconds. */
export interface RetryPolicy {
  /** Number of attempts, the first included. */
  readonly attempts: number;
  /** Number of attempts that may time out. */
  readonly timeouts: number;
  /** The first pause. Each further pause is twice as long, up to `longest`, with jitter down to one half. */
  readonly first: number;
  readonly longest: number;
  /** If a server asks for a longer pause, the client gives up. */
  readonly patience: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, timeouts: 3, first: 250, longest: 15_000, patience: 60_000 };

/** How often one request is sent. */
export type Tries = Pick<RetryPolicy, "attempts" | "timeouts">;

/** Counts the attempts of one request. */
export class TryCount {
  readonly #limits: Tries;
  #attempt = 1;
  #timeouts = 0;

  constructor(limits: Tries) {
    this.#limits = limits;
  }

  /** The current attempt, and the maximum number of attempts if no further one gets an answer. */
  get current(): { readonly attempt: number; readonly attempts: number } {
    const { attempts, timeouts } = this.#limits;
    const left = Math.max(1, timeouts - this.#timeouts);
    return { attempt: this.#attempt, attempts: Math.min(attempts, this.#attempt - 1 + left) };
  }

  /** Counts a failed attempt. Returns true if another attempt may follow, which is then the current one. */
  next({ timedOut }: { readonly timedOut: boolean }): boolean {
    if (timedOut) this.#timeouts += 1;
    const { attempts, timeouts } = this.#limits;
    if (this.#attempt >= attempts || (timedOut && this.#timeouts >= timeouts)) return false;
    this.#attempt += 1;
    return true;
  }
}

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

export function isTransientStatus(status: number): boolean {
  return TRANSIENT.has(status);
}

/** Failures that a retry does not help: a dead host, an unknown name, a bad certificate. */
export function isTransientFailure(failure: HttpFailure): boolean {
  return failure.kind === "broken" || failure.kind === "timeout";
}

/** `Retry-After` in milliseconds from now: seconds or an HTTP date, RFC 9110 section 10.2.3. */
export function retryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** The pause before an attempt (the second attempt is 1). */
export function pauseBefore(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  const full = Math.min(policy.longest, policy.first * 2 ** Math.min(attempt - 1, 30));
  return full / 2 + (full / 2) * random();
}

/** Sleeps; throws `cancelled` as soon as the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal, "wait for the server");
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal, "wait for the server");
    throw error;
  }
}
