import { timestampFromMs, timestampMs } from "./messages.ts";
import { throwIfAborted } from "../../core/index.ts";
import type { BuildEvent, WarningEvent } from "../../engine/index.ts";
import { setImmediate } from "node:timers/promises";
import { LogClipper, type LogLimits, logLimits } from "./clip-log.ts";
import { type LogEvent, statusMessage, vertexMessage, warningMessage } from "./convert.ts";
import { Journal } from "./journal.ts";
import type { StatusMessage, VertexMessage } from "./messages.ts";
import { statusMessages } from "./split.ts";
import { type VertexCounts, VertexStates } from "./vertices.ts";

export interface StatusCounts extends VertexCounts {
  readonly warnings: number;
}

/** Maximum number of bytes of one log message. */
const MAX_LOG = 256 * 1024;

/** The name of the vertex that warnings belong to if they name none. */
const DEFINITION = "[internal] load build definition";

/**
 * The status of one build, from its first event to its last. Any number of readers read it, also while the build runs and after it has
 * ended, each from the start. See `Journal` for what limits its memory.
 */
export class StatusLog {
  readonly #journal = new Journal();
  readonly #vertices = new VertexStates();
  readonly #clippers = new Map<string, LogClipper>();
  readonly #startedAt = new Map<string, number>();
  readonly #limits: LogLimits;
  readonly #waiting = new Set<() => void>();
  /** Warnings that name no vertex and came before the first vertex. */
  #held: WarningEvent[] = [];
  #definition: string | undefined;
  #first: string | undefined;
  #warnings = 0;
  #isClosed = false;

  constructor(limits: LogLimits = logLimits()) {
    this.#limits = limits;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get counts(): StatusCounts {
    return { ...this.#vertices.counts, warnings: this.#warnings };
  }

  /** Adds an event. Events after `close` are ignored. */
  append(event: BuildEvent): void {
    if (this.#isClosed) return;
    switch (event.kind) {
      case "vertex":
        this.#vertex(vertexMessage(event));
        break;
      case "status":
        this.#announce(event.vertex);
        this.#journal.append({ kind: "status", message: statusMessage(event, Date.now()) });
        break;
      case "log":
        this.#output(event);
        break;
      case "warning":
        this.#warning(event);
    }
    this.#wake();
  }

  /** Ends the log. Vertices that are still running are reported as cancelled. Does nothing if the log has ended. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const vertex of this.#startedAt.keys()) this.#endOutput(vertex);
    for (const message of this.#vertices.end()) this.#journal.append({ kind: "vertex", message });
    this.#releaseWarnings();
    this.#wake();
  }

  /**
   * Yields the status from the start until the log is closed. Changes between two reads are combined: of each status only the newest
   * state is sent.
   *
   * @throws {VarveError} `cancelled` if the signal is aborted.
   */
  async *read(signal?: AbortSignal): AsyncGenerator<StatusMessage> {
    let position = 0;
    for (;;) {
      throwIfAborted(signal, "read the status of the build");
      const items = this.#journal.from(position);
      position = this.#journal.end;
      if (items.length > 0) yield* statusMessages(items);
      else if (this.#isClosed) return;
      else await this.#changed(signal);
    }
  }

  #vertex(message: VertexMessage): void {
    const { digest, name, started, completed } = message;
    this.#first ??= digest;
    if (name.startsWith(DEFINITION)) this.#definition ??= digest;
    if (started !== undefined && !this.#startedAt.has(digest)) this.#startedAt.set(digest, timestampMs(started));
    if (completed !== undefined) this.#endOutput(digest);
    for (const state of this.#vertices.apply(message)) this.#journal.append({ kind: "vertex", message: state });
    if (this.#held.length > 0) this.#releaseWarnings();
  }

  /** Sends a vertex before the first message that refers to it. */
  #announce(digest: string): void {
    if (!this.#vertices.has(digest)) this.#vertex({ digest, inputs: [], name: digest, cached: false, error: "" });
  }

  #output({ vertex, stream, data, at }: LogEvent): void {
    this.#announce(vertex);
    const key = `${stream} ${vertex}`;
    const clipper = this.#clippers.get(key) ?? new LogClipper(this.#limits, this.#startedAt.get(vertex) ?? at);
    this.#clippers.set(key, clipper);
    if (!this.#startedAt.has(vertex)) this.#startedAt.set(vertex, at);
    this.#log(vertex, stream, clipper.push(data, at), at);
  }

  /** Sends the end of clipped output of a vertex. */
  #endOutput(vertex: string): void {
    for (const stream of [1, 2] as const) {
      const key = `${stream} ${vertex}`;
      const tail = this.#clippers.get(key)?.end();
      this.#clippers.delete(key);
      if (tail !== undefined) this.#log(vertex, stream, tail, Date.now());
    }
    this.#startedAt.delete(vertex);
  }

  #log(vertex: string, stream: 1 | 2, data: Uint8Array, at: number): void {
    for (let start = 0; start < data.length; start += MAX_LOG) {
      const msg = data.subarray(start, start + MAX_LOG);
      const message = { vertex, stream: BigInt(stream), msg, timestamp: timestampFromMs(at) };
      this.#journal.append({ kind: "log", message });
    }
  }

  #warning(event: WarningEvent): void {
    const vertex = event.vertex ?? this.#definition ?? this.#first;
    if (vertex === undefined) {
      this.#held.push(event);
      return;
    }
    this.#announce(vertex);
    this.#warnings += 1;
    this.#journal.append({ kind: "warning", message: warningMessage(event, vertex) });
  }

  #releaseWarnings(): void {
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.#warning(event);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Waits for the next change, and for those that follow it at once. */
  async #changed(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.add(wake);
    signal?.addEventListener("abort", wake, { once: true });
    try {
      await promise;
      await setImmediate();
    } finally {
      this.#waiting.delete(wake);
      signal?.removeEventListener("abort", wake);
    }
  }
}
