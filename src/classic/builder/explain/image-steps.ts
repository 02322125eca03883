import { isDigest } from "../../../core/index.ts";
import type { KnownSteps } from "../../../explain/index.ts";
import { ImageRelations } from "../../../image/index.ts";
import type { Database } from "../../../state/index.ts";

type KnownStep = ReturnType<KnownSteps["withInstruction"]>[number];

/** Steps whose results are images. Those of images that were removed count as pruned. */
export class ImageSteps implements KnownSteps {
  readonly #steps: KnownSteps;
  readonly #images: ImageRelations;

  constructor(steps: KnownSteps, state: Database) {
    this.#steps = steps;
    this.#images = new ImageRelations(state);
  }

  at(...place: Parameters<KnownSteps["at"]>): KnownStep[] {
    return this.#steps.at(...place).map((step) => this.#step(step));
  }

  withInstruction(instruction: string): KnownStep[] {
    return this.#steps.withInstruction(instruction).map((step) => this.#step(step));
  }

  ofResult(result: string): KnownStep | undefined {
    const step = this.#steps.ofResult(result);
    return step === undefined ? undefined : this.#step(step);
  }

  hasProject(scope: string): boolean {
    return this.#steps.hasProject(scope);
  }

  hasStage(...place: Parameters<KnownSteps["hasStage"]>): boolean {
    return this.#steps.hasStage(...place);
  }

  list(id: string): ReturnType<KnownSteps["list"]> {
    return this.#steps.list(id);
  }

  isSameResult(a: string, b: string): boolean {
    return this.#steps.isSameResult(a, b);
  }

  #step(step: KnownStep): KnownStep {
    return step.isPruned || this.#exists(step.result) ? step : { ...step, isPruned: true };
  }

  #exists(result: string): boolean {
    return isDigest(result) && this.#images.get(result) !== undefined;
  }
}
