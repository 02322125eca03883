import type { Digest } from "../core/index.ts";
import type { KeyDigest } from "../solver/index.ts";
import { compareInputs, type InputContext } from "./compare-inputs.ts";
import { compareParts, hiddenChanges } from "./compare-parts.ts";
import type { Part, StepFacts } from "./facts.ts";
import type { FileList } from "./files/list.ts";
import { placeOf } from "./place.ts";
import { type Change, MAX_CHANGES, type Reason } from "./reason.ts";
import { EVERY_SCOPE, type KnownStep, type KnownSteps } from "./known-steps.ts";

/** What the search for a cached result has found. `miss`: no record, or none whose result still exists. */
export type MissOutcome =
  | { readonly kind: "miss" }
  /** The step may not use the cache. */
  | { readonly kind: "ignored"; readonly by: "no-cache" | "never" }
  /** There is a result, but it is older than the step's directive allows: `7d`. */
  | { readonly kind: "expired"; readonly ttl: string }
  | Extract<Reason, { readonly kind: "lost" | "trimmed" }>;

/** What a build knows when it explains a step. */
export interface ExplainContext {
  /** Says which project is built: steps of other projects are compared only if their inputs are nearly the same. */
  readonly scope: string;
  /** Why steps of this build ran, by vertex. */
  readonly reasons: ReadonlyMap<Digest, Reason>;
  /** Instructions that the build has, as `StepFacts.instruction`. */
  readonly instructions: ReadonlySet<string>;
  /** Returns when a result in the cache was last used, in milliseconds since 1970; undefined if it is not known. */
  readonly usedAt: (result: string) => number | undefined;
}

/** What can be found out of a step that is explained. */
export interface StepProbe {
  /** Returns the list of the files of an input that has a content key; undefined if they cannot be listed. */
  readonly listOf: (input: number) => FileList | undefined;
  /**
   * Returns the op's cache digest that the step would have with the variables of an earlier run, and its own values in the place of
   * sealed ones. Undefined if that cannot be told.
   */
  readonly opWith?: ((variables: readonly Part[]) => KeyDigest | undefined) | undefined;
}

/**
 * Finds out why steps are not taken from the cache, by comparing them with what is recorded of earlier runs: of the same instruction at
 * the same place, then of the same instruction elsewhere, then at the same place. It writes nothing.
 *
 * @example
 * const reason = new Explainer(table, context).explain(facts, { kind: "miss" }, listOf);
 * console.log(reasonText(reason)); // "src/app.ts changed (content, 1,204 → 1,310 bytes)"
 */
export class Explainer {
  readonly #table: KnownSteps;
  readonly #context: ExplainContext;
  readonly #causes: InputContext["causes"] = new Map();

  constructor(table: KnownSteps, context: ExplainContext) {
    this.#table = table;
    this.#context = context;
  }

  /** Returns why a step has to run. Lists are asked for only of inputs that may differ. */
  explain(step: StepFacts, outcome: MissOutcome, probe: StepProbe): Reason {
    if (outcome.kind !== "miss") return outcome;
    const compared = this.#candidates(step).map((known) => this.#compare(step, known, probe));
    const usedAt = ({ result, madeAt }: KnownStep): number => Math.max(this.#context.usedAt(result) ?? 0, madeAt);
    const [nearest] = compared
      .filter((one) => one !== undefined)
      .sort((a, b) => a.changes.length - b.changes.length || usedAt(b.known) - usedAt(a.known));
    if (nearest === undefined) return this.#first(step);
    const { changes, known } = nearest;
    if (changes.length > 0 && changes.every((change) => isOfIgnored(change, step)))
      return { kind: "ignored", by: "no-cache" };
    if (changes.length > 0) return { kind: "changed", changes: changes.slice(0, MAX_CHANGES), total: changes.length };
    return known.isPruned ? { kind: "pruned" } : { kind: "unknown" };
  }

  /** Returns the nearest steps that have run before: the first group that has any. */
  #candidates(step: StepFacts): KnownStep[] {
    const { scope, instructions } = this.#context;
    const { place } = step;
    const all = this.#table.withInstruction(step.instruction);
    const own = all.filter((known) => isOfScope(known, scope));
    const here = own.filter((known) => isSamePlace(known, step));
    const there = place === undefined ? [] : this.#table.at(scope, place);
    const replaced = there.filter(({ facts }) => !instructions.has(facts.instruction));
    const groups = [here, own, replaced, all.filter((known) => isSamePlace(known, step))];
    return groups.find((group) => group.length > 0) ?? [];
  }

  #compare(
    step: StepFacts,
    known: KnownStep,
    { listOf, opWith }: StepProbe,
  ): { readonly changes: readonly Change[]; readonly known: KnownStep } | undefined {
    const { reasons } = this.#context;
    const context: InputContext = { table: this.#table, reasons, known, listOf, causes: this.#causes };
    const inputs = compareInputs(step, context);
    const isForeign = !isOfScope(known, this.#context.scope);
    if (isForeign && !inputs.isRelated) return undefined;
    const parts = compareParts(known.facts, step);
    // A keyed digest of secrets is part of the op then.
    if (step.secrets.length === 0) parts.push(...hiddenChanges(known.facts, step, parts, opWith));
    const isOther = parts.some(({ kind }) => kind === "instruction");
    // Another instruction reads other files, so that how they differ says nothing.
    const changes = [...parts, ...(isOther ? inputs.changes.flatMap(withoutFiles) : inputs.changes)];
    const { secrets } = step;
    const isSecret = changes.length === 0 && known.facts.op !== step.op && secrets.length > 0;
    return { changes: isSecret ? [{ kind: "secret", ids: secrets }] : changes, known };
  }

  #first({ place }: StepFacts): Reason {
    const { scope } = this.#context;
    if (place === undefined || place.stage === "") return { kind: "first" };
    const isNewStage = this.#table.hasProject(scope) && !this.#table.hasStage(scope, place);
    return { kind: "first", ...(isNewStage ? { stage: place.stage } : {}) };
  }
}

function withoutFiles(change: Change): Change[] {
  if (change.kind === "file") return [];
  return change.kind === "step" && change.cause !== undefined ? [{ ...change, files: [], total: 0 }] : [change];
}

/** True for a step of the same stage that may not use the cache: some instructions, such as WORKDIR, are not told so themselves. */
function isOfIgnored(change: Change, { place }: StepFacts): boolean {
  if (change.kind !== "step" || change.cause?.kind !== "ignored" || change.cause.by !== "no-cache") return false;
  const other = placeOf(change.name);
  return place !== undefined && other?.stage === place.stage && other.platform === place.platform;
}

function isOfScope(known: KnownStep, scope: string): boolean {
  return known.scope === scope || known.scope === EVERY_SCOPE;
}

function isSamePlace({ facts: { place } }: KnownStep, step: StepFacts): boolean {
  if (place === undefined || step.place === undefined) return place === step.place;
  return place.step === step.place.step && place.stage === step.place.stage && place.platform === step.place.platform;
}
