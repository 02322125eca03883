import type { StoredFacts } from "./facts-codec.ts";
import type { FileList } from "./files/list.ts";
import type { Place } from "./place.ts";

/** A step that has run before. */
export interface KnownStep {
  readonly facts: StoredFacts;
  /** Id of the result in the cache. */
  readonly result: string;
  readonly scope: string;
  /** Milliseconds since 1970. */
  readonly madeAt: number;
  readonly isPruned: boolean;
}

/** Steps that have run before. */
export interface KnownSteps {
  /** Returns the steps at a place of a project, newest first. */
  at(scope: string, place: Place): KnownStep[];
  /** Returns the steps with the same instruction, of all projects, newest first. */
  withInstruction(instruction: string): KnownStep[];
  /** Returns what is known of the step that made a result. */
  ofResult(result: string): KnownStep | undefined;
  /** True if a step of a project is known. */
  hasProject(scope: string): boolean;
  /** True if a step of the stage of `place` is known. */
  hasStage(scope: string, place: Place): boolean;
  /** Returns a list of files, or undefined if it is not known. Its chunks are read when they are used, which throws `corrupt`. */
  list(id: string): FileList | undefined;
  /** True if two ids mean the same result. */
  isSameResult(a: string, b: string): boolean;
}

/** The scope of steps that were imported into the store. They count as steps of every project. */
export const EVERY_SCOPE = "*";

/** Maximum number of candidates of one query. */
export const MAX_CANDIDATES = 32;

/** Returns the name of a stage, as far as steps are looked up by it. */
export function stageOf({ platform, stage }: Place): string {
  return `${platform} ${stage}`;
}
