import { isInternalName } from "../../llb/index.ts";
import { type Digest, digestOf, isVarveError, messageOf, redact, redactAll } from "../../core/index.ts";
import { randomUUID } from "node:crypto";
import type { Explanation } from "../../explain/index.ts";
import type { OpReport, SolverEvent } from "../../solver/index.ts";
import type { OnBuildEvent, VertexEvent, WarningEvent } from "./events.ts";
import type { TransferStatus } from "./transfers.ts";
import type { StepReport } from "../options/options.ts";

/** Reports the progress of work that is not a step, such as an export. */
export interface Activity {
  readonly vertex: Digest;
  /** Emits a log, progress or warning of the activity. */
  report(report: OpReport): void;
  /** Runs a part of the work, and emits its start and its end as a status. */
  part<T>(id: string, work: () => Promise<T>): Promise<T>;
  /** Emits how many bytes a part that is running has sent. */
  sent(id: string, bytes: number): void;
}

/** A vertex that a build may need. */
export type AnnouncedVertex = Pick<VertexEvent, "digest" | "name" | "inputs" | "progressGroup">;

/** Returns a report of a finished transfer. */
export function transferred(id: string, bytes: number): OpReport {
  const now = Date.now();
  return { kind: "progress", id, current: bytes, startedAt: now, completedAt: now };
}

/** Converts events of the solver and the build's own activities to build events, and collects a `StepReport` of each step. */
export class Progress {
  readonly #emit: OnBuildEvent;
  readonly #steps = new Map<Digest, StepReport>();
  readonly #order: Digest[] = [];
  readonly #announced = new Map<Digest, AnnouncedVertex>();
  /** Vertices that began with a report: clients match their end with that time. */
  readonly #reported = new Set<Digest>();
  readonly #startedAt = new Map<Digest, number>();
  /** When the keys of sources were known. */
  readonly #resolvedAt = new Map<Digest, number>();
  /** Why vertices run. */
  readonly #why = new Map<Digest, Explanation>();
  /** Reasons of the rollbacks that were reported. Each reason is reported once. */
  readonly #rollBacks = new Set<string>();
  readonly #warned = new Set<string>();

  constructor(emit: OnBuildEvent | undefined) {
    // The output of steps is not redacted, because it can be binary and a secret can be split between two events.
    this.#emit = (event) => emit?.(event.kind === "log" ? event : redactAll(event));
  }

  warn(short: string, more: Partial<Omit<WarningEvent, "kind" | "short">> = {}): void {
    this.#emit({ ...more, kind: "warning", short, detail: more.detail ?? [] });
  }

  /** Warns of something once in a build. */
  warnOnce(short: string): void {
    if (this.#warned.has(short)) return;
    this.#warned.add(short);
    this.warn(short);
  }

  /** Runs work that is not a step. It is shown as a vertex. */
  async activity<T>(name: string, work: (activity: Activity) => Promise<T>): Promise<T> {
    const vertex: Pick<VertexEvent, "kind" | "digest" | "name" | "inputs"> = {
      kind: "vertex",
      digest: digestOf(`${name} ${randomUUID()}`),
      name,
      inputs: [],
    };
    const startedAt = Date.now();
    this.#emit({ ...vertex, startedAt });
    const parts = new Parts((status) => this.#emit({ ...status, kind: "status", vertex: vertex.digest }));
    try {
      const result = await work({
        vertex: vertex.digest,
        report: (report) => this.#report(vertex.digest, report),
        part: (id, part) => parts.run(id, part),
        sent: (id, bytes) => parts.sent(id, bytes),
      });
      this.#emit({ ...vertex, startedAt, completedAt: Date.now() });
      return result;
    } catch (error) {
      this.#emit({ ...vertex, startedAt, completedAt: Date.now(), ...failure(error) });
      throw error;
    }
  }

  /** Says why a vertex is going to run. Its event of the start, and its report, have it. */
  explain(vertex: Digest, why: Explanation): void {
    this.#why.set(vertex, redactAll(why));
  }

  /** Handles an event of the solver. */
  solver(event: SolverEvent): void {
    if (event.kind === "cache-failed") {
      this.warn(`cache ${event.cache} could not be queried: ${messageOf(event.error)}`);
      return;
    }
    const { digest, name, inputs, at } = event;
    const progressGroup = this.#announced.get(digest)?.progressGroup;
    const why = this.#why.get(digest);
    const vertex = {
      kind: "vertex" as const,
      digest,
      name,
      inputs,
      ...(progressGroup && { progressGroup }),
      ...(why && { why }),
    };
    const startedAt = this.#startedAt.get(digest) ?? at;
    switch (event.kind) {
      case "vertex-started":
        this.#startedAt.set(digest, at);
        this.#emit({ ...vertex, startedAt: at });
        return;
      case "vertex-resolved":
        this.#resolvedAt.set(digest, at);
        this.#emit({ ...vertex, startedAt, completedAt: at, resolved: true });
        return;
      case "vertex-cached": {
        const start = this.#reported.has(digest) ? startedAt : at;
        this.#emit({ ...vertex, startedAt: start, completedAt: at, cached: true, cache: event.cache });
        this.#step(event, { status: "hit", cache: event.cache, ms: 0 });
        return;
      }
      case "vertex-skipped":
        if (event.cache !== undefined)
          this.#emit({ ...vertex, startedAt: at, completedAt: at, cached: true, cache: event.cache });
        else if (this.#startedAt.has(digest))
          this.#emit({ ...vertex, startedAt, completedAt: this.#resolvedAt.get(digest) ?? at });
        this.#step(event, {
          status: event.cache === undefined ? "skipped" : "hit",
          cache: event.cache ?? null,
          ms: 0,
        });
        return;
      case "vertex-completed":
        // Clients match an end with its start by the time of the start, so that it is the one that was emitted.
        this.#emit({ ...vertex, startedAt: this.#startedAt.get(digest) ?? event.startedAt, completedAt: at });
        this.#step(event, { status: "run", cache: null, ms: at - event.startedAt });
        return;
      case "vertex-failed":
        this.#emit({ ...vertex, startedAt, completedAt: at, ...failure(event.error) });
        this.#step(event, { status: "failed", cache: null, ms: at - startedAt });
        return;
      case "vertex-cancelled":
        this.#emit({ ...vertex, startedAt, completedAt: at, error: "cancelled", cancelled: true });
        return;
      case "vertex-rolled-back":
        if (this.#rollBacks.has(event.reason)) return;
        this.#rollBacks.add(event.reason);
        this.warn(
          `a cached result of ${name} could not be read from ${event.cache} (${event.reason}); the steps that depend on it run again`,
        );
        return;
      case "vertex-report":
        if (!this.#startedAt.has(digest)) {
          this.#reported.add(digest);
          this.#startedAt.set(digest, at);
          this.#emit({ ...vertex, startedAt: at });
        }
        this.#report(digest, event.report);
    }
  }

  /**
   * Announces the vertices of a build, in the order of the reports. Each one follows those that it depends on. A vertex is announced
   * once.
   */
  expect(vertices: Iterable<AnnouncedVertex>): void {
    for (const vertex of vertices) {
      const { digest } = vertex;
      if (this.#announced.has(digest)) continue;
      this.#announced.set(digest, vertex);
      this.#order.push(digest);
      this.#emit({ ...vertex, kind: "vertex" });
    }
  }

  /** Returns the outcome of each step, in the order of `expect`, without internal steps. */
  steps(): StepReport[] {
    const known = this.#order.flatMap((digest) => this.#steps.get(digest) ?? []);
    return known.filter((step) => !isInternalName(step.name));
  }

  #step(
    { digest, name }: Pick<VertexEvent, "digest" | "name">,
    step: Pick<StepReport, "status" | "cache" | "ms">,
  ): void {
    const why = step.status === "hit" || step.status === "skipped" ? undefined : this.#why.get(digest);
    this.#steps.set(digest, { name: redact(name), digest, ...step, ...(why && { why }) });
  }

  #report(vertex: Digest, report: OpReport): void {
    switch (report.kind) {
      case "log":
        this.#emit({ kind: "log", vertex, stream: report.stream, data: report.data, at: Date.now() });
        return;
      case "progress": {
        const { kind: _kind, ...status } = report;
        this.#emit({ kind: "status", vertex, ...status });
        return;
      }
      case "warning":
        this.#emit({
          kind: "warning",
          vertex,
          short: report.short,
          detail: report.detail ?? [],
          url: report.url,
        });
    }
  }
}

/** Milliseconds between two events about the bytes that a part has sent. */
const SENT_INTERVAL = 100;

/** The parts of an activity that are running. */
class Parts {
  readonly #emit: (status: TransferStatus) => void;
  readonly #running = new Map<string, { readonly startedAt: number; bytes: number; emittedAt: number }>();

  constructor(emit: (status: TransferStatus) => void) {
    this.#emit = emit;
  }

  async run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const part = { startedAt: Date.now(), bytes: 0, emittedAt: 0 };
    this.#running.set(id, part);
    this.#emit({ id, current: 0, startedAt: part.startedAt });
    try {
      const result = await work();
      this.#emit({ id, current: part.bytes, startedAt: part.startedAt, completedAt: Date.now() });
      return result;
    } finally {
      this.#running.delete(id);
    }
  }

  sent(id: string, bytes: number): void {
    const part = this.#running.get(id);
    if (part === undefined) return;
    part.bytes = bytes;
    const now = Date.now();
    if (now - part.emittedAt < SENT_INTERVAL) return;
    part.emittedAt = now;
    this.#emit({ id, current: bytes, startedAt: part.startedAt });
  }
}

function failure(error: unknown): Pick<VertexEvent, "error" | "cancelled"> {
  return { error: messageOf(error), ...(isVarveError(error, "cancelled") && { cancelled: true }) };
}
