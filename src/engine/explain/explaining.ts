import type { Digest } from "../../core/index.ts";
import type { Explanation, Reason } from "../../explain/index.ts";
import type { StepOrigin } from "../../frontend/index.ts";
import { type Vertex, isInternalName, vertexName } from "../../llb/index.ts";
import type { VertexTrace } from "../../solver/index.ts";
import type { ResultCache } from "../cache/imports.ts";
import type { Result } from "../ops/result.ts";
import type { StepReport } from "../options/options.ts";
import type { Progress } from "../progress/progress.ts";
import type { Store } from "../store/store.ts";
import type { ResultStore } from "./result-files.ts";
import type { RunningBuild, StepExplainer } from "./step-explainer.ts";

export interface ExplainingDeps {
  readonly store: ResultStore & Pick<Store, "state">;
  readonly progress: Progress;
  /** See `SessionOptions.project`. */
  readonly project: () => string | Promise<string>;
  /** Returns the imported caches. */
  readonly caches: () => readonly ResultCache[];
  readonly signal: AbortSignal | undefined;
  /** The caches of the build that count as empty, with the reasons. */
  readonly unusable: ReadonlyMap<string, string>;
  /** Nothing is explained or recorded. */
  readonly isOff: boolean;
  /** See `SessionOptions.hints`. */
  readonly hints: boolean;
}

/**
 * Explains why the steps of one build run, and records what their keys are made of. Errors are ignored: a build does not fail because it
 * cannot be explained. The code is loaded when the first step runs, so that a cached build loads and writes nothing.
 */
export class Explaining implements RunningBuild {
  /** Why steps of this build ran, by vertex. */
  readonly reasons: Map<Digest, Reason> = new Map();
  /** The instructions of the build's vertices, as far as they are known. */
  readonly origins: Map<Digest, StepOrigin> = new Map();
  /** Commits of the build's git sources. */
  readonly versions: Map<Digest, string> = new Map();
  /** Names of the build's vertices. */
  readonly names: Map<Digest, string> = new Map();
  readonly store: ExplainingDeps["store"];
  readonly caches: ExplainingDeps["caches"];
  readonly signal: AbortSignal | undefined;
  readonly hints: boolean;
  readonly #isOff: boolean;
  readonly #progress: Progress;
  readonly #project: ExplainingDeps["project"];
  readonly #unusable: ExplainingDeps["unusable"];
  #hasToldUnusable = false;
  #steps: Promise<StepExplainer> | undefined;

  constructor({ store, progress, project, caches, unusable, signal, isOff, hints }: ExplainingDeps) {
    this.#unusable = unusable;
    this.#isOff = isOff;
    this.hints = hints;
    this.store = store;
    this.#progress = progress;
    this.#project = project;
    this.caches = caches;
    this.signal = signal;
  }

  /** Adds instructions that the build has compiled. */
  addOrigins(origins: ReadonlyMap<Digest, StepOrigin>): void {
    for (const [digest, origin] of origins) this.origins.set(digest, origin);
  }

  /** Adds vertices that the build may need. */
  expect(vertices: Iterable<{ readonly digest: Digest; readonly name: string }>): void {
    for (const { digest, name } of vertices) this.names.set(digest, name);
  }

  /** Explains a step that is going to run. */
  async announce(vertex: Vertex, inputs: readonly Result[], traces: readonly VertexTrace[]): Promise<void> {
    if (this.#isOff) return;
    try {
      const steps = await this.#open();
      const explanation = await steps.announce(vertex, inputs, traces);
      this.reasons.set(vertex.digest, explanation.reason);
      if (isShown(vertex)) this.#progress.explain(vertex.digest, await this.#withUnusable(explanation));
    } catch {
      // The step runs without an explanation.
    }
  }

  /** Notes why a step would have run whose earlier result it makes again, so that the steps after it can be explained. Says nothing. */
  async recalled(
    vertex: Vertex,
    { inputs, traces, results }: Record<"inputs" | "results", readonly Result[]> & { traces: readonly VertexTrace[] },
  ): Promise<void> {
    if (this.#isOff) return;
    try {
      const steps = await this.#open();
      const { reason } = await steps.announce(vertex, inputs, traces);
      this.reasons.set(vertex.digest, reason);
      steps.record(vertex, results);
    } catch {
      // The steps after it cannot be explained by this one.
    }
  }

  /** Records a step that has run. */
  async record(vertex: Vertex, results: readonly Result[]): Promise<void> {
    if (this.#isOff) return;
    try {
      (await this.#open()).record(vertex, results);
    } catch {
      // The next build cannot be explained by this step.
    }
  }

  /** Stores the outcome of the build, if a step has run. */
  async finish(ref: string, steps: readonly StepReport[]): Promise<void> {
    if (this.#steps === undefined) return;
    try {
      (await this.#steps).saveBuild(ref, steps);
    } catch {
      // The build cannot be explained later.
    }
  }

  /** What nobody knows of may be in a cache that could not be used. The first step says so; `full` texts of others do. */
  async #withUnusable(explanation: Explanation): Promise<Explanation> {
    const [unusable] = this.#unusable;
    if (explanation.reason.kind !== "first" || unusable === undefined) return explanation;
    const [cache, detail] = unusable;
    const { reasonText } = await import("../../explain/index.ts");
    const reason: Reason = { kind: "unusable", cache, detail };
    const text = this.#hasToldUnusable ? "" : reasonText(reason);
    this.#hasToldUnusable = true;
    return { reason, text };
  }

  async #load(): Promise<StepExplainer> {
    const [{ StepExplainer: Steps }, scope] = await Promise.all([import("./step-explainer.ts"), this.#project()]);
    return new Steps(this.store.state, scope, this);
  }

  async #open(): Promise<StepExplainer> {
    this.#steps ??= this.#load();
    return await this.#steps;
  }
}

/** True for a vertex that is an instruction of a Dockerfile, or a step of another graph, and is not told to be silent. */
function isShown(vertex: Vertex): boolean {
  if (vertex.metadata.policy?.why === "off") return false;
  return (vertex.op.kind === "exec" || vertex.op.kind === "file") && !isInternalName(vertexName(vertex));
}
