import type { FileList } from "./files/list.ts";
import { type KnownStep, type KnownSteps, MAX_CANDIDATES, stageOf } from "./known-steps.ts";
import { placeOf, type Place } from "./place.ts";
import { type StepNote, decodeNote } from "./portable.ts";

/** A note of a record of an imported cache. */
export interface ImportedStep {
  /** Digest of the record. */
  readonly record: string;
  readonly note: StepNote;
  /** The results of the record, newest first. */
  readonly results: readonly {
    /** See `ResultNames`. */
    readonly name: string;
    /** Milliseconds since 1970. */
    readonly createdAt: number;
  }[];
}

/** Returns the name of a result by its id in the cache. The name is the same on every machine. Undefined: it has none. */
export type ResultNames = (result: string) => string | undefined;

/** Steps that are recorded in this store, and steps that the notes of imported caches describe. These count as steps of the build's project. */
export class JoinedSteps implements KnownSteps {
  readonly #own: KnownSteps;
  readonly #scope: string;
  readonly #nameOf: ResultNames;
  readonly #steps: readonly KnownStep[];
  readonly #lists: ReadonlyMap<string, FileList>;

  /** Notes that cannot be read are left out. */
  constructor(own: KnownSteps, notes: readonly ImportedStep[], options: { scope: string; nameOf: ResultNames }) {
    const { scope, nameOf } = options;
    const lists = new Map<string, FileList>();
    this.#own = own;
    this.#scope = scope;
    this.#nameOf = nameOf;
    this.#steps = notes.flatMap((note) => readSteps(note, scope, lists)).sort((a, b) => b.madeAt - a.madeAt);
    this.#lists = lists;
  }

  at(scope: string, place: Place): KnownStep[] {
    const isThere = ({ facts }: KnownStep): boolean =>
      facts.place?.step === place.step && stageOf(facts.place) === stageOf(place);
    return [...this.#own.at(scope, place), ...(scope === this.#scope ? this.#some(isThere) : [])];
  }

  withInstruction(instruction: string): KnownStep[] {
    return [...this.#own.withInstruction(instruction), ...this.#some(({ facts }) => facts.instruction === instruction)];
  }

  ofResult(result: string): KnownStep | undefined {
    const name = this.#nameOf(result) ?? result;
    return this.#own.ofResult(result) ?? this.#steps.find((step) => step.result === name);
  }

  hasProject(scope: string): boolean {
    return this.#own.hasProject(scope) || (scope === this.#scope && this.#steps.length > 0);
  }

  hasStage(scope: string, place: Place): boolean {
    const isIt = ({ facts }: KnownStep): boolean =>
      facts.place !== undefined && stageOf(facts.place) === stageOf(place);
    return this.#own.hasStage(scope, place) || (scope === this.#scope && this.#steps.some(isIt));
  }

  list(id: string): FileList | undefined {
    return this.#lists.get(id) ?? this.#own.list(id);
  }

  isSameResult(a: string, b: string): boolean {
    if (a === b) return true;
    return (this.#nameOf(a) ?? a) === (this.#nameOf(b) ?? b);
  }

  #some(is: (step: KnownStep) => boolean): KnownStep[] {
    return this.#steps.filter(is).slice(0, MAX_CANDIDATES);
  }
}

function readSteps({ record, note, results }: ImportedStep, scope: string, lists: Map<string, FileList>): KnownStep[] {
  try {
    const { facts, lists: own } = decodeNote(note, record);
    for (const [id, list] of own) lists.set(id, list);
    const made = results.length === 0 ? [{ name: `none ${record}`, createdAt: 0 }] : results;
    return made.map(({ name, createdAt }) => ({
      facts: { ...facts, place: placeOf(facts.name) },
      result: name,
      scope,
      madeAt: createdAt,
      isPruned: false,
    }));
  } catch {
    return [];
  }
}
