import { setTimeout as sleep } from "node:timers/promises";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { noSuchJob } from "./no-such-job.ts";

/** Milliseconds to wait for a job that a client asks for: its calls may arrive in any order. */
const APPEARANCE = 6000;
/** Milliseconds in which a job can be found after its end, and its reference cannot be used again. */
const LINGER = 10_000;

/** The jobs of a server by their references, which clients choose. */
export class Jobs<J> implements Disposable {
  readonly #jobs = new Map<string, J>();
  readonly #waiting = new Map<string, Set<(job: J) => void>>();
  readonly #ended = new Set<NodeJS.Timeout>();

  /**
   * Adds a job. Dispose of what it returns when the job ends: the job is forgotten some seconds later.
   *
   * @throws {GrpcError} `unknown` if the reference is in use.
   */
  add(ref: string, job: J): Disposable {
    if (this.#jobs.has(ref)) throw new GrpcError(GrpcCode.unknown, `job ID ${ref} exists`);
    this.#jobs.set(ref, job);
    for (const found of this.#waiting.get(ref) ?? []) found(job);
    return { [Symbol.dispose]: () => this.#end(ref) };
  }

  /** Returns the job with a reference, if there is one now. */
  get(ref: string): J | undefined {
    return this.#jobs.get(ref);
  }

  /**
   * Returns the job with a reference. Waits for it for a while.
   *
   * @throws {GrpcError} `not-found` if it does not appear, and the reason of the signal.
   */
  async find(ref: string, signal: AbortSignal, patience: number = APPEARANCE): Promise<J> {
    const known = this.#jobs.get(ref);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<J>();
    const waiting = this.#waiting.get(ref) ?? new Set();
    this.#waiting.set(ref, waiting.add(resolve));
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    try {
      const found = await Promise.race([promise, sleep(patience, undefined, { signal: either })]);
      if (found !== undefined) return found;
      throw noSuchJob(ref);
    } finally {
      stop.abort();
      waiting.delete(resolve);
      if (waiting.size === 0) this.#waiting.delete(ref);
    }
  }

  /** Stops the timers of jobs that have ended. */
  [Symbol.dispose](): void {
    for (const timer of this.#ended) clearTimeout(timer);
    this.#ended.clear();
  }

  #end(ref: string): void {
    const timer = setTimeout(() => {
      this.#jobs.delete(ref);
      this.#ended.delete(timer);
    }, LINGER);
    this.#ended.add(timer);
    timer.unref();
  }
}
