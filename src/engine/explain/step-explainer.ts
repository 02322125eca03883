import { type Digest, splitEnv } from "../../core/index.ts";
import {
  ExplainTable,
  Explainer,
  type Explanation,
  type FileList,
  JoinedSteps,
  type KnownSteps,
  type MissOutcome,
  type Part,
  type Reason,
  type Sealer,
  type StepFacts,
  type StepRecord,
  bounded,
  fileListOf,
  isSealed,
  placeOf,
  reasonText,
  storedExplanation,
} from "../../explain/index.ts";
import type { StepOrigin } from "../../frontend/index.ts";
import { type Vertex, cacheMapOf } from "../../llb/index.ts";
import type { VertexTrace } from "../../solver/index.ts";
import type { Database } from "../../state/index.ts";
import { contentFiles } from "../ops/content-files.ts";
import type { Result } from "../ops/result.ts";
import type { ResultCache } from "../cache/imports.ts";
import type { StepReport } from "../options/options.ts";
import { type ResultStore, withResultFiles } from "./result-files.ts";
import { type StepContent, contentOf, stepFacts } from "./step-facts.ts";

/** Milliseconds to wait for what imported caches say of their records. */
const PATIENCE = 10_000;

/** What is known of the build. */
export interface RunningBuild {
  /** See `ExplainContext`. */
  readonly reasons: ReadonlyMap<Digest, Reason>;
  /** The instructions of the build's vertices, as far as they are known. */
  readonly origins: ReadonlyMap<Digest, StepOrigin>;
  /** Commits of the build's git sources, by vertex. */
  readonly versions: ReadonlyMap<Digest, string>;
  /** Names of the build's vertices. */
  readonly names: ReadonlyMap<Digest, string>;
  readonly store: ResultStore;
  /** Returns the imported caches. */
  readonly caches: () => readonly ResultCache[];
  readonly signal?: AbortSignal | undefined;
  /** See `SessionOptions.hints`. */
  readonly hints: boolean;
}

/** A step that is running. */
interface OpenStep {
  readonly facts: StepFacts;
  readonly content: StepContent;
  readonly lists: Map<number, FileList>;
}

/** Explains and records the steps of one build; see `Explaining`, which calls it. */
export class StepExplainer {
  readonly #table: ExplainTable;
  readonly #scope: string;
  readonly #build: RunningBuild;
  readonly #open = new Map<Digest, OpenStep>();
  /** Number of instructions whose arguments the sealer knows. */
  #argumentsOf = 0;
  /** The steps of this store and of imported caches. `count`: how many caches. */
  #joined: { readonly count: number; readonly steps: Promise<KnownSteps> } | undefined;
  #instructions: { readonly size: number; readonly texts: ReadonlySet<string> } | undefined;

  /** `scope`: see `ExplainContext`. */
  constructor(state: Database, scope: string, build: RunningBuild) {
    this.#table = new ExplainTable(state);
    this.#scope = scope;
    this.#build = build;
  }

  async announce(
    vertex: Vertex,
    inputs: readonly (Result | undefined)[],
    traces: readonly VertexTrace[],
  ): Promise<Explanation> {
    this.#sealArguments();
    const content = contentOf(vertex, inputs);
    const [trace] = traces;
    const origin = this.#build.origins.get(vertex.digest);
    const facts = stepFacts({
      vertex,
      inputs,
      trace,
      origin,
      content,
      sealer: this.#table.sealer,
      versions: this.#build.versions,
    });
    const lists = new Map<number, FileList>();
    this.#open.set(vertex.digest, { facts, content, lists });
    const { reasons, store } = this.#build;
    const usedAt = (result: string): number | undefined => store.records.get(result)?.lastUsedAt;
    const context = { scope: this.#scope, reasons, usedAt, instructions: this.#texts() };
    const explainer = new Explainer(await this.#known(facts), context);
    const found = explainer.explain(facts, await this.#outcome(vertex, trace), {
      listOf: (input) => listOf({ content, lists }, input, this.#table.sealer),
      opWith: (variables) => opWith(vertex, variables),
    });
    const reason = bounded(await withResultFiles(found, this.#build.store));
    return { reason, text: reasonText(reason, { hints: this.#build.hints }) };
  }

  record({ digest }: Vertex, results: readonly Result[]): void {
    const step = this.#open.get(digest);
    this.#open.delete(digest);
    const ids = results.flatMap((result) => (result.kind === "record" && result.id !== "" ? [result.id] : []));
    if (step !== undefined && ids.length > 0) this.#table.save(this.#scope, [this.#recordOf(step, ids)]);
  }

  /** Stores the outcome of the build. */
  saveBuild(ref: string, steps: readonly StepReport[]): void {
    this.#table.saveBuild({
      ref,
      endedAt: Date.now(),
      steps: steps.map(({ name, status, cache, ms, why }) => ({
        name,
        status,
        cache,
        ms,
        ...(why && { why: storedExplanation(why) }),
      })),
    });
  }

  /** Lets the sealer know the credentials among the build's arguments before it masks the names of steps. */
  #sealArguments(): void {
    const { origins } = this.#build;
    if (this.#argumentsOf === origins.size) return;
    this.#argumentsOf = origins.size;
    for (const { args } of origins.values()) for (const [name, value] of args) this.#table.sealer.value(name, value);
  }

  #recordOf(step: OpenStep, results: readonly string[]): StepRecord {
    const { facts } = step;
    const lists = new Map<string, FileList>();
    for (const [index, { list }] of facts.inputs.entries()) {
      const files =
        list === undefined || this.#table.hasList(list) ? undefined : listOf(step, index, this.#table.sealer);
      if (list !== undefined && files !== undefined) lists.set(list, files);
    }
    return { facts, results, lists };
  }

  async #outcome(vertex: Vertex, trace: VertexTrace | undefined): Promise<MissOutcome> {
    const outcome = outcomeOf(vertex, trace);
    const isFound = trace?.outcome.kind === "no-result" || trace?.outcome.kind === "load-failed";
    return isFound ? ((await missingResult(trace, this.#build.caches())) ?? outcome) : outcome;
  }

  /** Returns the steps to compare with. Imported caches are asked only if this store does not know the step. */
  async #known(facts: StepFacts): Promise<KnownSteps> {
    const caches = this.#build.caches();
    if (caches.length === 0 || this.#isKnown(facts)) return this.#table;
    if (this.#joined?.count !== caches.length) this.#joined = { count: caches.length, steps: this.#join(caches) };
    return await this.#joined.steps;
  }

  #isKnown({ place, instruction }: StepFacts): boolean {
    const there = place === undefined ? this.#table.withInstruction(instruction) : this.#table.at(this.#scope, place);
    return there.some((known) => known.scope === this.#scope && known.facts.instruction === instruction);
  }

  async #join(caches: readonly ResultCache[]): Promise<KnownSteps> {
    const { importedSteps, resultNames } = await import("./step-notes.ts");
    const { signal, store } = this.#build;
    const limit = AbortSignal.timeout(PATIENCE);
    const notes = await importedSteps(caches, signal === undefined ? limit : AbortSignal.any([signal, limit]));
    return new JoinedSteps(this.#table, notes, { scope: this.#scope, nameOf: resultNames(store) });
  }

  /** The instructions of all vertices that the build has so far. */
  #texts(): ReadonlySet<string> {
    const { names, origins } = this.#build;
    if (this.#instructions?.size === names.size) return this.#instructions.texts;
    const texts = new Set([...names].map(([digest, name]) => origins.get(digest)?.text ?? placeOf(name)?.text ?? name));
    this.#instructions = { size: names.size, texts };
    return texts;
  }
}

/** Returns the files of an input, which are listed once. */
function listOf(
  { content, lists }: Pick<OpenStep, "content" | "lists">,
  input: number,
  sealer: Sealer,
): FileList | undefined {
  const known = lists.get(input);
  const read = content[input];
  if (known !== undefined || read === undefined) return known;
  const files = contentFiles(read.result, read.selectors);
  if (files === undefined) return undefined;
  const list = fileListOf(sealer.withoutSealed(files));
  lists.set(input, list);
  return list;
}

/** See `StepProbe`. */
function opWith(vertex: Vertex, variables: readonly Part[]): Digest | undefined {
  const { op, metadata } = vertex;
  if (op.kind !== "exec" || metadata.policy?.secrets !== undefined) return undefined;
  const own = new Map(op.meta.env.map((entry) => splitEnv(entry)));
  const env = variables
    .filter(({ kind }) => kind === "env")
    .map(({ name, value }) => `${name}=${isSealed(value) ? (own.get(name) ?? "") : value}`);
  return cacheMapOf({ ...vertex, op: { ...op, meta: { ...op.meta, env } } }).digest;
}

/** Returns why the records that a step led to in imported caches have no result. */
async function missingResult(
  { inputs, outcome }: VertexTrace,
  caches: readonly ResultCache[],
): Promise<MissOutcome | undefined> {
  const probes = inputs.flatMap((input) => input.probes);
  let trimmed: MissOutcome | undefined;
  for (const cache of caches)
    for (const key of new Set(probes.flatMap((probe) => (probe.cache === cache.id ? probe.found : [])))) {
      const missing = await cache.noResult(key);
      if (missing?.kind === "layer")
        return { kind: "lost", cache: cache.label, layer: missing.digest, detail: missing.state };
      if (missing?.kind === "none" && outcome.kind === "no-result" && outcome.records.includes(key))
        trimmed ??= { kind: "trimmed", cache: cache.label };
    }
  return trimmed;
}

function outcomeOf({ metadata: { policy } }: Vertex, trace: VertexTrace | undefined): MissOutcome {
  const outcome = trace?.outcome;
  if (outcome?.kind === "ignored") return { kind: "ignored", by: policy?.never === true ? "never" : "no-cache" };
  if (outcome?.kind === "expired") return { kind: "expired", ttl: policy?.ttl?.text ?? "" };
  const failed = trace?.candidates.findLast((candidate) => candidate.outcome.kind === "failed");
  if (outcome?.kind === "load-failed" && failed !== undefined)
    return { kind: "lost", cache: failed.cache, detail: outcome.reason };
  return { kind: "miss" };
}
