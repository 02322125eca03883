import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../core/index.ts";
import type { HttpFailure } from "./http.ts";

/** Milliseconds, but for `attempts`. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly attempts: number;
  /** The first pause; each further one is twice as long, up to `longest`, and shortened by chance to as little as half. */
  readonly first: number;
  readonly longest: number;
  /** A server that asks for a longer pause is not waited for. */
  readonly patience: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, first: 250, longest: 15_000, patience: 60_000 };

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

export function isTransientStatus(status: number): boolean {
  return TRANSIENT.has(status);
}

/** A dead host, an unknown name and a bad certificate are no better a second later. */
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

/** The pause before try number `attempt` (the second is 1). */
export function pauseBefore(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  const full = Math.min(policy.longest, policy.first * 2 ** Math.min(attempt - 1, 30));
  return full / 2 + (full / 2) * random();
}

/** Sleeps; throws `cancelled` as soon as the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal, "wait for the registry");
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal, "wait for the registry");
    throw error;
  }
}
