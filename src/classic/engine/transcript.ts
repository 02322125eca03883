import type { Digest } from "../../core/index.ts";
import type { BuildEvent } from "../../engine/index.ts";
import { isInternalName } from "../../llb/index.ts";
import { type Output, shortId } from "../builder/output.ts";
import type { EngineStep } from "./steps.ts";
import { Vertices } from "./vertices.ts";

/** Maximum number of characters that are kept of the output of a step whose turn has not come. */
const MAX_KEPT = 2_097_152;

interface Line {
  readonly text: string;
  readonly isError: boolean;
}

/** The state of a step in the transcript. */
class StepOutput {
  readonly step: EngineStep;
  readonly #kept: Line[] = [];
  #size = 0;
  readonly #decoders = { 1: new TextDecoder(), 2: new TextDecoder() };
  isShown = false;

  constructor(step: EngineStep) {
    this.step = step;
  }

  decode(stream: 1 | 2, data: Uint8Array): Line {
    return { text: this.#decoders[stream].decode(data, { stream: true }), isError: stream === 2 };
  }

  /** Keeps output for later. Drops the oldest if there is too much. */
  keep(line: Line): void {
    this.#kept.push(line);
    this.#size += line.text.length;
    while (this.#size > MAX_KEPT) this.#size -= this.#kept.shift()?.text.length ?? 0;
  }

  take(): Line[] {
    this.#size = 0;
    return this.#kept.splice(0);
  }
}

/**
 * Writes the events of the engine in the words of the classic builder. Steps are written in the order of the Dockerfile, although the
 * engine executes them concurrently: the output of a step is kept until the steps before it are done.
 */
export class Transcript {
  readonly #output: Output;
  readonly #vertices = new Vertices();
  #steps: StepOutput[] = [];
  #follows = false;
  readonly #byVertex = new Map<Digest, StepOutput>();
  #next = 0;
  readonly #warnings: string[] = [];
  readonly #explains: boolean;
  /** Why vertices were not cached. */
  readonly #reasons = new Map<Digest, string>();

  /** `explains`: say why steps were not cached. */
  constructor(output: Output, { explains }: { readonly explains: boolean }) {
    this.#output = output;
    this.#explains = explains;
  }

  /** Sets the steps, once, before the events of their vertices. */
  begin(steps: readonly EngineStep[]): void {
    this.#steps = steps.map((step) => new StepOutput(step));
    // The output of a vertex that several steps share belongs to the first of them.
    for (const each of this.#steps.toReversed())
      for (const digest of each.step.vertices) this.#byVertex.set(digest, each);
  }

  /** Makes each vertex a step, for a file that has no instructions which are known here. Called before the events of the vertices. */
  follow(): void {
    this.#follows = true;
  }

  event(event: BuildEvent): void {
    switch (event.kind) {
      case "vertex":
        if (this.#follows) this.#add(event);
        this.#vertices.update(event);
        if (this.#explains && event.why !== undefined) this.#reasons.set(event.digest, event.why.text);
        break;
      case "log": {
        const step = this.#byVertex.get(event.vertex);
        if (step === undefined) return;
        step.keep(step.decode(event.stream, event.data));
        break;
      }
      case "status":
        return this.#transfer(event);
      case "warning":
        this.#warnings.push(event.short);
        return;
    }
    this.#write();
  }

  /** Writes all steps that are left, at the end of a build that succeeded. */
  end(): void {
    for (const step of this.#steps.slice(this.#next)) this.#show(step);
    this.#next = this.#steps.length;
    this.#warn();
  }

  /** Writes the steps that have begun, the failed one last. Returns its instruction. */
  fail(vertex: Digest | undefined): EngineStep | undefined {
    const failed = vertex === undefined ? undefined : this.#byVertex.get(vertex);
    const left = this.#steps
      .slice(this.#next)
      .filter((each) => each !== failed && each.step.vertices.size > 0 && this.#stateOf(each) !== "pending");
    this.#next = this.#steps.length;
    for (const step of left) this.#show(step);
    if (failed !== undefined) this.#show(failed);
    this.#warn();
    return failed?.step;
  }

  #add({ digest, name }: Extract<BuildEvent, { kind: "vertex" }>): void {
    if (this.#byVertex.has(digest) || isInternalName(name)) return;
    const step = new StepOutput({ kind: "vertex", text: name, vertices: new Set([digest]) });
    this.#steps.push(step);
    this.#byVertex.set(digest, step);
  }

  #write(): void {
    for (; this.#next < this.#steps.length; this.#next += 1) {
      const step = this.#steps[this.#next];
      if (step === undefined) return;
      const state = this.#stateOf(step);
      if (state === "pending") return;
      this.#show(step);
      if (state === "started") return;
    }
  }

  #stateOf({ step }: StepOutput): "pending" | "started" | "done" {
    const states = [...step.vertices].map((digest) => this.#vertices.stateOf(digest));
    if (states.every((state) => state === "cached" || state === "done")) return "done";
    return states.every((state) => state === "pending") ? "pending" : "started";
  }

  /** Writes the head of a step, if it has not been written, and the output that it has so far. */
  #show(output: StepOutput): void {
    const { step } = output;
    if (!output.isShown) {
      output.isShown = true;
      this.#warn();
      this.#output.text(`Step ${this.#steps.indexOf(output) + 1}/${this.#steps.length} : ${step.text}`);
      this.#output.text("\n");
      this.#note(step);
    }
    for (const { text, isError } of output.take()) {
      if (text === "") continue;
      if (isError) this.#output.red(text);
      else this.#output.text(text);
    }
  }

  /** Writes whether a step that the classic builder would look up in its cache was cached, or that its command runs. */
  #note({ kind, vertices }: EngineStep): void {
    if (kind === "from" || vertices.size === 0) return;
    const [vertex] = vertices;
    if ([...vertices].every((digest) => this.#vertices.stateOf(digest) === "cached"))
      return this.#output.text(" ---> Using cache\n");
    const [reason] = [...vertices].flatMap((digest) => this.#reasons.get(digest) || []);
    if (reason !== undefined) this.#output.text(` ---> Missed: ${reason}\n`);
    if (kind === "run" && vertex !== undefined) this.#output.text(` ---> Running in ${shortId(vertex)}\n`);
  }

  #warn(): void {
    for (const text of this.#warnings.splice(0)) this.#output.text(`[Warning] ${text}\n`);
  }

  /** Writes the progress of a layer's download for the step that is being written. */
  #transfer({ vertex, id, current, total, completedAt }: Extract<BuildEvent, { kind: "status" }>): void {
    const digest = /^(?:extracting )?(sha256:[0-9a-f]{64})$/.exec(id);
    const step = this.#byVertex.get(vertex);
    if (digest?.[1] === undefined || step === undefined || step !== this.#steps[this.#next] || !step.isShown) return;
    const isDone = completedAt !== undefined;
    const words = id.startsWith("extracting") ? ["Extracting", "Pull complete"] : ["Downloading", "Download complete"];
    this.#output.send({
      status: words[isDone ? 1 : 0] ?? "",
      progressDetail: isDone ? {} : { current, total },
      id: digest[1].slice("sha256:".length, 19),
    });
  }
}
