import { randomBytes } from "node:crypto";
import type { Digest } from "../../../core/index.ts";
import type { StoredExplanation } from "../../../explain/index.ts";
import type { LocalImage } from "../../../image/index.ts";
import type { ProbeAnswer } from "../../types.ts";
import type { Command } from "../step/step.ts";
import type { StepExplainer } from "./step-explainer.ts";
import type { ExplainingOptions, LookedUp } from "./types.ts";

/** What became of a step. */
interface EndedStep {
  readonly name: string;
  status: "hit" | "run" | "failed";
  readonly cache: string | null;
  readonly startedAt: number;
  ms: number;
  readonly why?: StoredExplanation | undefined;
  readonly command: Command;
}

/**
 * Explains why the steps of one build are not cached, and records what they are made of. Errors are ignored: a build does not fail because
 * it cannot be explained. The code is loaded when the first step is not cached, so that a cached build loads and writes nothing.
 */
export class Explaining {
  readonly #options: ExplainingOptions;
  readonly #isOff: boolean;
  readonly #isShown: boolean;
  /** The last step that made each image, or had it from the cache. */
  readonly #made = new Map<Digest, string>();
  readonly #ended: EndedStep[] = [];
  #steps: Promise<StepExplainer> | undefined;

  constructor(options: ExplainingOptions) {
    const { explains = false } = options.deps;
    this.#options = options;
    this.#isOff = explains === false;
    this.#isShown = explains === "everywhere";
  }

  /** Notes a step that was cached. */
  hit(looked: LookedUp, { image, how }: Extract<ProbeAnswer, { readonly kind: "hit" }>): void {
    if (this.#isOff) return;
    const name = nameOf(looked);
    this.#made.set(image.id, name);
    const cache = how === "local" ? "local" : "cache-from";
    this.#ended.push({ name, command: looked.command, status: "hit", cache, startedAt: 0, ms: 0 });
  }

  /** Finds out why a step was not cached. Returns what the build's output is to say of it; empty for nothing. */
  async miss(looked: LookedUp): Promise<string> {
    if (this.#isOff) return "";
    const { command } = looked;
    const startedAt = performance.now();
    const step = { name: nameOf(looked), command, status: "failed" as const, cache: null, startedAt, ms: 0 };
    try {
      const steps = await this.#open();
      for (const each of [...this.#ended, step]) steps.seal(each.command);
      const why = await steps.announce(looked, step.name, this.#made);
      this.#ended.push({ ...step, why });
      return this.#isShown ? why.text : "";
    } catch {
      this.#ended.push(step);
      return "";
    }
  }

  /** Records that the step which missed last has made an image. */
  async made(looked: LookedUp, image: LocalImage): Promise<void> {
    const ended = this.#ended.at(-1);
    if (this.#isOff || ended === undefined) return;
    ended.status = "run";
    ended.ms = performance.now() - ended.startedAt;
    this.#made.set(image.id, nameOf(looked));
    try {
      (await this.#open()).record(image.id);
    } catch {
      // The next build cannot be explained by this step.
    }
  }

  /** Stores the outcome of the build, if a step has run. */
  async finish(): Promise<void> {
    if (this.#steps === undefined) return;
    try {
      (await this.#steps).saveBuild(randomBytes(16).toString("hex"), this.#ended);
    } catch {
      // The build cannot be explained later.
    }
  }

  async #open(): Promise<StepExplainer> {
    this.#steps ??= import("./step-explainer.ts").then(({ StepExplainer: Steps }) => new Steps(this.#options));
    return await this.#steps;
  }
}

/** Names a step as the engine does: `[build 2/5] RUN npm ci`. */
function nameOf({ stage, number, command }: LookedUp): string {
  return `[${stage.name === "" ? "" : `${stage.name} `}${number}/${stage.total}] ${command.code}`;
}
