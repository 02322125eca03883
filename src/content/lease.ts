import { VarveError, parseJson } from "../core/index.ts";
import { randomBytes } from "node:crypto";
import type { Database } from "../state/index.ts";
import { addEdge, removeEdgesFrom } from "./graph.ts";
import type { Lease, LeaseOptions, LeasedKind } from "./types.ts";

const DEFAULT_TTL = 300_000;
/** The label that names the process which holds a lease: its directory of writers. */
export const HOLDER = "varve/holder";
/** Renewals for each ttl: a busy event loop may miss two before the lease is lost. */
const BEATS = 3;

class HeldLease implements Lease {
  readonly id: string = randomBytes(16).toString("hex");
  readonly #state: Database;
  readonly #ttl: number;
  readonly #timer: NodeJS.Timeout;
  #renewedAt: number;
  #ended = false;

  constructor(state: Database, holder: string, { ttl = DEFAULT_TTL, labels = {} }: LeaseOptions) {
    if (!Number.isSafeInteger(ttl) || ttl <= 0)
      throw new VarveError("invalid-argument", `Cannot make a lease: its ttl is ${ttl} ms`);
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
      if (this.#ended || !this.#isThere())
        throw new VarveError("not-found", `Cannot keep ${kind} ${id}: the lease has ended`, {
          details: { lease: this.id },
        });
      // Synchronous work may have kept the heartbeat from beating.
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

  #isThere(): boolean {
    return this.#state.get("SELECT 1 FROM lease WHERE id = ?", this.id) !== undefined;
  }

  #renew(): boolean {
    const now = Date.now();
    const { changes } = this.#state.run("UPDATE lease SET expires_at = ? WHERE id = ?", now + this.#ttl, this.id);
    this.#renewedAt = now;
    return changes > 0;
  }

  /** A beat that fails is made up for by the next; a lease that was collected, or whose state is closed, has no more. */
  #beat(): void {
    try {
      if (!this.#renew()) clearInterval(this.#timer);
    } catch {
      if (!this.#state.db.isOpen) clearInterval(this.#timer);
    }
  }
}

/** The process that holds a lease, by the lease's labels. */
export function holderOf({ labels }: { readonly labels: string }): string | undefined {
  return parseJson(labels, "the labels of a lease").object()?.string(HOLDER);
}

/** `holder` names the process, by which others find out that it is gone. */
export function makeLease(state: Database, holder: string, options: LeaseOptions): Lease {
  return new HeldLease(state, holder, options);
}
