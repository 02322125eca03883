import { VarveError, parseJson } from "../core/index.ts";
import { randomBytes } from "node:crypto";
import type { Database } from "../state/index.ts";
import { addEdge, removeEdgesFrom } from "./graph.ts";
import type { Lease, LeaseOptions, LeasedKind } from "./types.ts";

const DEFAULT_TTL = 300_000;
/** Label with the process that holds a lease: the name of its directory of writers. */
export const HOLDER = "varve/holder";
/** Renewals per ttl: a busy event loop may miss two of them. */
const BEATS = 3;

class ContentLease implements Lease {
  readonly id: string = randomBytes(16).toString("hex");
  readonly #state: Database;
  readonly #ttl: number;
  readonly #timer: NodeJS.Timeout;
  #renewedAt: number;
  #ended = false;

  constructor(state: Database, holder: string, { ttl = DEFAULT_TTL, labels = {} }: LeaseOptions) {
    if (!Number.isSafeInteger(ttl) || ttl <= 0)
      throw new VarveError("invalid-argument", `Cannot make a lease: ttl ${ttl} ms is not a positive integer`);
    this.#state = state;
    this.#ttl = ttl;
    this.#renewedAt = Date.now();
    state.run(
      "INSERT INTO lease VALUES (?, ?, ?, ?)",
      this.id,
      this.#renewedAt,
      this.#renewedAt + ttl,
      JSON.stringify({ ...labels, [HOLDER]: holder }),
    );
    this.#timer = setInterval(() => this.#beat(), Math.max(1, Math.floor(ttl / BEATS)));
    this.#timer.unref();
  }

  add(kind: LeasedKind, id: string): void {
    this.#state.transaction(() => {
      if (this.#ended || !this.#exists())
        throw new VarveError("not-found", `Cannot keep ${kind} ${id}: the lease has ended`, {
          details: { lease: this.id },
        });
      // Synchronous work may have delayed the heartbeat.
      if (Date.now() - this.#renewedAt > this.#ttl / BEATS) this.#renew();
      addEdge(this.#state, { kind: "lease", id: this.id }, { kind, id });
    });
  }

  // oxlint-disable-next-line require-await -- the interface is asynchronous, so that a store elsewhere can keep leases too
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.#state.transaction(
      () => {
        removeEdgesFrom(this.#state, { kind: "lease", id: this.id });
        this.#state.run("DELETE FROM lease WHERE id = ?", this.id);
      },
      { frees: true },
    );
  }

  #exists(): boolean {
    return this.#state.get("SELECT 1 FROM lease WHERE id = ?", this.id) !== undefined;
  }

  #renew(): boolean {
    const now = Date.now();
    const { changes } = this.#state.run("UPDATE lease SET expires_at = ? WHERE id = ?", now + this.#ttl, this.id);
    this.#renewedAt = now;
    return changes > 0;
  }

  /** Ignores a failed renewal, because the next one follows. Stops if the lease was collected or the database is closed. */
  #beat(): void {
    try {
      if (!this.#renew()) clearInterval(this.#timer);
    } catch {
      if (!this.#state.db.isOpen) clearInterval(this.#timer);
    }
  }
}

/** Returns the process that holds a lease, from the lease's labels. */
export function holderOf({ labels }: { readonly labels: string }): string | undefined {
  return parseJson(labels, "the labels of a lease").object()?.string(HOLDER);
}

/** Makes a lease. By `holder` other processes find out whether this one has ended. */
export function makeLease(state: Database, holder: string, options: LeaseOptions): Lease {
  return new ContentLease(state, holder, options);
}
