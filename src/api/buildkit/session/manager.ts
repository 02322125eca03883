import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../../../core/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { type CallerOptions, ClientSession } from "./client-session.ts";
import { type SessionHeaders, sessionIdOf } from "./headers.ts";
import { DEFAULT_HEALTH, type HealthRules, monitorHealth } from "./health.ts";

export interface SessionManagerOptions {
  /** Rules for clients that ask for none. */
  readonly health?: HealthRules | undefined;
  /** Milliseconds to wait for a session that is asked for. Clients open sessions and start builds at the same time. */
  readonly patience?: number | undefined;
}

const MAX_SESSIONS = 4096;
const PATIENCE = 5000;

/** The sessions that are open. */
export class SessionManager {
  readonly #sessions = new Map<string, ClientSession>();
  readonly #waiting = new Set<() => void>();
  readonly #health: HealthRules;
  readonly #patience: number;

  constructor({ health = DEFAULT_HEALTH, patience = PATIENCE }: SessionManagerOptions = {}) {
    this.#health = health;
    this.#patience = patience;
  }

  /** Number of open sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Refuses an id that is in use. A client that opens a session by an HTTP upgrade is refused; one that does so by a call replaces its
   * earlier session.
   *
   * @throws {GrpcError} `unknown`.
   */
  checkUnused(id: string): void {
    if (this.#sessions.has(id)) throw new GrpcError(GrpcCode.unknown, `session ${id} already exists`);
  }

  /**
   * Opens a session on a connection, and resolves when it has ended.
   *
   * @param signal - Ends the session.
   * @throws {GrpcError} `resourceExhausted` if too many sessions are open.
   */
  async serve(connection: Duplex, headers: SessionHeaders, { signal }: CallerOptions = {}): Promise<void> {
    if (this.#sessions.size >= MAX_SESSIONS && !this.#sessions.has(headers.id)) {
      connection.destroy();
      throw new GrpcError(GrpcCode.resourceExhausted, "too many sessions");
    }
    const session = new ClientSession(connection, headers);
    const { client } = session;
    const ended = Promise.withResolvers<void>();
    const stop = (): void => client.close(new GrpcError(GrpcCode.cancelled, "context canceled"));
    client.signal.addEventListener("abort", () => ended.resolve(), { once: true });
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted === true) stop();
    this.#sessions.set(headers.id, session);
    for (const wake of this.#waiting) wake();
    const monitored = monitorHealth(session, this.#rules(headers));
    await ended.promise;
    signal?.removeEventListener("abort", stop);
    if (this.#sessions.get(headers.id) === session) this.#sessions.delete(headers.id);
    await monitored;
  }

  /**
   * Returns a session. Waits for one that is not open yet.
   *
   * @param id - May have a prefix and a colon, which are ignored.
   * @throws {GrpcError} `deadlineExceeded` if it does not come.
   */
  async get(id: string, { signal }: CallerOptions = {}): Promise<ClientSession> {
    const key = sessionIdOf(id);
    throwIfAborted(signal, `wait for session ${key}`);
    return this.#open(key) ?? (await this.#wait(key, signal));
  }

  async #wait(key: string, signal: AbortSignal | undefined): Promise<ClientSession> {
    const own = new AbortController();
    const late = sleep(this.#patience, "late", { signal: own.signal }).catch(() => "aborted");
    const abort = (): void => own.abort();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      for (;;) {
        throwIfAborted(signal, `wait for session ${key}`);
        const session = this.#open(key);
        if (session !== undefined) return session;
        if ((await Promise.race([late, this.#change(own.signal)])) === "late") throw noSession(key);
      }
    } finally {
      own.abort();
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Returns a session if it is open. */
  find(id: string): ClientSession | undefined {
    return this.#open(sessionIdOf(id));
  }

  /**
   * Runs something with the first session that succeeds.
   *
   * @throws What the last session threw; `unknown` if there are no ids.
   */
  async any<T>(
    ids: readonly string[],
    run: (session: ClientSession) => Promise<T>,
    { signal }: CallerOptions = {},
  ): Promise<T> {
    let last: unknown = new GrpcError(GrpcCode.unknown, "no active sessions");
    for (const id of ids) {
      try {
        return await run(await this.get(id, { signal }));
      } catch (error) {
        throwIfAborted(signal, "call a session");
        last = error;
      }
    }
    throw last;
  }

  #open(key: string): ClientSession | undefined {
    const session = this.#sessions.get(key);
    return session?.isEnded === true ? undefined : session;
  }

  /** Resolves when a session was opened, or at the abort. */
  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
  }

  #rules({ healthTimeout }: SessionHeaders): HealthRules {
    if (healthTimeout === undefined) return this.#health;
    return { interval: healthTimeout, timeout: healthTimeout, failures: 1 };
  }
}

function noSession(id: string): GrpcError {
  return new GrpcError(GrpcCode.deadlineExceeded, `no active session for ${id}: context deadline exceeded`);
}
