import type { Digest } from "../../core/index.ts";
import type { StepUsage } from "../../exec/index.ts";

/** What the steps of one build have used that have run in it, by the digests of their vertices. */
export class StepUsages {
  readonly #usages = new Map<Digest, StepUsage>();
  #isStarted = false;

  /** Steps that start from now on are measured. */
  start(): void {
    this.#isStarted = true;
  }

  /** Returns what notes the usage of a step; undefined if steps are not measured. */
  noteOf(vertex: Digest): ((usage: StepUsage) => void) | undefined {
    return this.#isStarted ? (usage) => void this.#usages.set(vertex, usage) : undefined;
  }

  /** Returns what a step has used; undefined if it was not measured, or has not run in this build. */
  of(vertex: Digest): StepUsage | undefined {
    return this.#usages.get(vertex);
  }
}
