import type { Digest } from "../core/index.ts";

/**
 * The state of the transfer of one blob or manifest.
 * - `waiting`: for a transfer slot; `running`; `retrying`: after a broken connection;
 * - `exists`: the target has it already; `mounted`: the registry took it from another of its repositories;
 * - `skipped`: a lazy or a non-distributable layer; `done` and `failed` end a transfer.
 */
export type TransferState = "waiting" | "running" | "retrying" | "exists" | "mounted" | "skipped" | "done" | "failed";

/** `current` and `total` are bytes. Events contain no secrets. */
export interface TransferEvent {
  readonly kind: "download" | "upload";
  readonly digest: Digest;
  /** A readable name of the transfer: a reference without secrets. */
  readonly name: string;
  readonly current: number;
  readonly total: number;
  readonly state: TransferState;
}

export type OnTransfer = (event: TransferEvent) => void;

const REPORT_EVERY_MS = 100;

/** Reports one transfer: each change of state at once, progress at most ten times per second. */
export class TransferReporter {
  readonly #send: OnTransfer | undefined;
  readonly #fixed: Pick<TransferEvent, "kind" | "digest" | "name" | "total">;
  #current = 0;
  #state: TransferState | undefined;
  #sentAt = 0;

  constructor(send: OnTransfer | undefined, fixed: Pick<TransferEvent, "kind" | "digest" | "name" | "total">) {
    this.#send = send;
    this.#fixed = fixed;
  }

  state(state: TransferState, current: number = this.#current): void {
    this.#current = current;
    if (this.#state === state && state !== "running") return;
    this.#state = state;
    this.#emit(Date.now());
  }

  /** The transfer has reached byte `current`. */
  at(current: number): void {
    const now = Date.now();
    const moved = this.#state !== "running";
    this.#current = current;
    this.#state = "running";
    if (moved || now - this.#sentAt >= REPORT_EVERY_MS) this.#emit(now);
  }

  #emit(now: number): void {
    if (this.#state === undefined) return;
    this.#sentAt = now;
    this.#send?.({ ...this.#fixed, current: this.#current, state: this.#state });
  }
}
