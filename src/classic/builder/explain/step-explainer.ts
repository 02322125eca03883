import { type Digest, digestOf } from "../../../core/index.ts";
import {
  ExplainTable,
  Explainer,
  type ExplainedStep,
  type FileList,
  type Reason,
  type StepFacts,
  type StoredExplanation,
  bounded,
  reasonText,
  storedExplanation,
} from "../../../explain/index.ts";
import { ImageRelations } from "../../../image/index.ts";
import { nearestChild } from "../../nearest-child.ts";
import { projectOf } from "../project.ts";
import type { Command } from "../step/step.ts";
import type { ExplainingOptions, LookedUp } from "./types.ts";
import { type StepNames, classicFacts, sealCommand } from "./facts.ts";
import { copiedFiles } from "./files.ts";
import { ImageSteps } from "./image-steps.ts";
import { configChanges } from "./config-changes.ts";
import { sourceReason } from "./source-reason.ts";

/** A step that is being made. */
interface OpenStep {
  readonly facts: StepFacts;
  readonly files: FileList | undefined;
}

/** Explains and records the steps of one build; see `Explaining`, which calls it. */
export class StepExplainer {
  readonly #options: ExplainingOptions;
  readonly #table: ExplainTable;
  readonly #scope: string;
  /** Why steps of this build ran, by the digests of their names. */
  readonly #reasons = new Map<Digest, Reason>();
  readonly #explainer: Explainer;
  #open: OpenStep | undefined;

  constructor(options: ExplainingOptions) {
    const { deps, request, commands } = options;
    const { state } = deps.store;
    this.#options = options;
    this.#table = new ExplainTable(state, { results: "image" });
    this.#scope = projectOf(request);
    const { sealer } = this.#table;
    for (const [name, value] of request.buildArgs) sealer.value(name, value ?? "");
    for (const command of commands) sealCommand(command, sealer);
    const instructions = new Set(commands.map(({ code }) => sealer.mask(code)));
    const usedAt = (): undefined => undefined;
    const context = { scope: this.#scope, reasons: this.#reasons, instructions, usedAt };
    this.#explainer = new Explainer(new ImageSteps(this.#table, state), context);
  }

  /** Lets the sealer know an instruction that is not in the Dockerfile: a trigger of a base image. */
  seal(command: Command): void {
    sealCommand(command, this.#table.sealer);
  }

  /** Explains a step that is going to be made. `made`: see `StepNames`. */
  async announce(looked: LookedUp, name: string, made: StepNames): Promise<StoredExplanation> {
    this.#open = undefined;
    const { sealer } = this.#table;
    const facts = classicFacts(looked, name, { sealer, names: made });
    const { work } = looked.step;
    const files = work.kind === "copy" ? await copiedFiles(work.sources, sealer) : undefined;
    this.#open = { facts, files };
    const reason = bounded(this.#reasonOf(looked, this.#open));
    this.#reasons.set(digestOf(name), reason);
    return storedExplanation({ reason, text: reasonText(reason, { hints: false }) });
  }

  /** Records the image of the step that was announced last. */
  record(image: Digest): void {
    if (this.#open === undefined) return;
    const { facts, files } = this.#open;
    const lists = new Map(
      facts.inputs.flatMap(({ list }) => (list === undefined || files === undefined ? [] : [[list, files] as const])),
    );
    this.#table.save(this.#scope, [{ facts, results: [image], lists }]);
  }

  /** Stores the outcome of the build. */
  saveBuild(ref: string, steps: readonly ExplainedStep[]): void {
    const { sealer } = this.#table;
    const shown = steps.map(({ name, status, cache, ms, why }) => ({
      name: sealer.mask(name),
      status,
      cache,
      ms,
      why,
    }));
    this.#table.saveBuild({ ref, endedAt: Date.now(), steps: shown });
  }

  #reasonOf({ cache, probe, parent, hasMissed }: LookedUp, { facts, files }: OpenStep): Reason {
    const { request, deps } = this.#options;
    const { sealer } = this.#table;
    if (request.noCache) return { kind: "ignored", by: "no-cache" };
    const listOf = (input: number): FileList | undefined =>
      facts.inputs[input]?.list === undefined ? undefined : files;
    const found = this.#explainer.explain(facts, { kind: "miss" }, { listOf });
    if (hasMissed || (found.kind !== "first" && found.kind !== "unknown")) return found;
    const child = nearestChild(probe, parent?.id, new ImageRelations(deps.store.state));
    if (child === undefined) return sourceReason(cache.sourceMisses(probe), sealer) ?? found;
    const changes = configChanges(child, probe.config, sealer);
    return { kind: "changed", changes, total: changes.length };
  }
}
