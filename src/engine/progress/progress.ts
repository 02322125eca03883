import { isInternalName } from "../../llb/index.ts";
import { type Digest, digestOf, isVarveError, messageOf, redact, redactAll } from "../../core/index.ts";
import { randomUUID } from "node:crypto";
import type { OpReport, SolverEvent } from "../../solver/index.ts";
import type { OnBuildEvent, VertexEvent } from "./events.ts";
import type { StepReport } from "../options/options.ts";

/** What a piece of the build's own work tells while it runs. */
export interface Activity {
  readonly vertex: Digest;
  /** Passes a log, progress or warning on under the activity's name. */
  report(report: OpReport): void;
  /** Times a part of the work, which shows as one line. */
  part<T>(id: string, work: () => Promise<T>): Promise<T>;
}

/** A report of bytes that have been read, all at once. */
export function transferred(id: string, bytes: number): OpReport {
  const now = Date.now();
  return { kind: "progress", id, current: bytes, startedAt: now, completedAt: now };
}

/** Turns what the solver and the build itself do into build events, and keeps what `StepReport`s need. */
export class Progress {
  readonly #emit: OnBuildEvent;
  readonly #steps = new Map<Digest, StepReport>();
  readonly #order: Digest[] = [];
  readonly #startedAt = new Map<Digest, number>();
  /** Reasons for doing without cached results that were told of. */
  readonly #rollBacks = new Set<string>();

  constructor(emit: OnBuildEvent | undefined) {
    // What a step prints is passed on as it is: it may be binary, and comes in pieces.
    this.#emit = (event) => emit?.(event.kind === "log" ? event : redactAll(event));
  }

  warn(
    short: string,
    more: {
      readonly detail?: readonly string[] | undefined;
      readonly url?: string | undefined;
      readonly location?: { file: string; line: number } | undefined;
    } = {},
  ): void {
    this.#emit({ ...more, kind: "warning", short, detail: more.detail ?? [] });
  }

  /** Runs a piece of the build's own work as a vertex of its own. */
  async activity<T>(name: string, work: (activity: Activity) => Promise<T>): Promise<T> {
    const vertex: Pick<VertexEvent, "kind" | "digest" | "name" | "inputs"> = {
      kind: "vertex",
      digest: digestOf(`${name} ${randomUUID()}`),
      name,
      inputs: [],
    };
    const startedAt = Date.now();
    this.#emit({ ...vertex, startedAt });
    try {
      const result = await work({
        vertex: vertex.digest,
        report: (report) => this.#report(vertex.digest, report),
        part: (id, part) => this.#part(vertex.digest, id, part),
      });
      this.#emit({ ...vertex, startedAt, completedAt: Date.now() });
      return result;
    } catch (error) {
      this.#emit({ ...vertex, startedAt, completedAt: Date.now(), ...failure(error) });
      throw error;
    }
  }

  /** Takes in what the solver tells. */
  solver(event: SolverEvent): void {
    if (event.kind === "cache-failed") {
      this.warn(`cache ${event.cache} could not be asked: ${messageOf(event.error)}`);
      return;
    }
    const { digest, name, inputs, at } = event;
    const vertex = { kind: "vertex" as const, digest, name, inputs };
    const startedAt = this.#startedAt.get(digest) ?? at;
    switch (event.kind) {
      case "vertex-started":
        this.#startedAt.set(digest, at);
        this.#emit({ ...vertex, startedAt: at });
        return;
      case "vertex-resolved":
        // A source whose key is known is not done yet: it may still have to be fetched, or turn out not to be needed.
        return;
      case "vertex-cached":
        this.#emit({ ...vertex, startedAt: at, completedAt: at, cached: true, cache: event.cache });
        this.#step(event, { status: "hit", cache: event.cache, ms: 0 });
        return;
      case "vertex-skipped":
        if (event.cache !== undefined)
          this.#emit({ ...vertex, startedAt: at, completedAt: at, cached: true, cache: event.cache });
        else if (this.#startedAt.has(digest)) this.#emit({ ...vertex, startedAt, completedAt: at });
        this.#step(event, {
          status: event.cache === undefined ? "skipped" : "hit",
          cache: event.cache ?? null,
          ms: 0,
        });
        return;
      case "vertex-completed":
        this.#emit({ ...vertex, startedAt: event.startedAt, completedAt: at });
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
          `a cached result of ${name} could not be read from ${event.cache} (${event.reason}); what needs it is made again`,
        );
        return;
      case "vertex-report":
        if (!this.#startedAt.has(digest)) {
          this.#startedAt.set(digest, at);
          this.#emit({ ...vertex, startedAt: at });
        }
        this.#report(digest, event.report);
    }
  }

  /** Names the steps to come, each after those it needs. */
  expect(steps: Iterable<Digest>): void {
    this.#order.push(...steps);
  }

  /** What became of each step, in the order in which they were expected. The build's own work is no step. */
  steps(): StepReport[] {
    const known = [...new Set(this.#order)].flatMap((digest) => this.#steps.get(digest) ?? []);
    return known.filter((step) => !isInternalName(step.name));
  }

  #step(
    { digest, name }: Pick<VertexEvent, "digest" | "name">,
    step: Pick<StepReport, "status" | "cache" | "ms">,
  ): void {
    this.#steps.set(digest, { name: redact(name), digest, ...step });
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

  async #part<T>(vertex: Digest, id: string, work: () => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    this.#emit({ kind: "status", vertex, id, current: 0, startedAt });
    const result = await work();
    this.#emit({ kind: "status", vertex, id, current: 0, startedAt, completedAt: Date.now() });
    return result;
  }
}

function failure(error: unknown): Pick<VertexEvent, "error" | "cancelled"> {
  return { error: messageOf(error), ...(isVarveError(error, "cancelled") && { cancelled: true }) };
}
