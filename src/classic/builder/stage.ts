import type { LocalImage } from "../../image/index.ts";
import { type Platform, parsePlatform, platformFault, throwIfAborted } from "../../core/index.ts";
import { type Stage, expand, parseTrigger } from "../../dockerfile/index.ts";
import { ClassicCache } from "../cache.ts";
import type { Following, ProbeStep } from "../types.ts";
import { baseImage, stagePlatform } from "./base-image.ts";
import type { LookedUp, StageName } from "./explain/types.ts";
import type { BuildArgs } from "./step/build-args.ts";
import { stepError } from "./failure.ts";
import { firstFeature } from "./language.ts";
import { makeStep } from "./step/make-step.ts";
import { shortId } from "./output.ts";
import type { BuildSession } from "./session.ts";
import { type StageState, beginStage } from "./step/stage-state.ts";
import type { Stages } from "./stages.ts";
import { type Command, type Step, type StepHost, planStep } from "./step/step.ts";
import type { TreeLibrary } from "./tree-library.ts";

export interface StagePlan {
  readonly stage: Stage;
  readonly commands: readonly Command[];
}

export interface StageDeps {
  readonly session: BuildSession;
  readonly stages: Stages;
  readonly trees: TreeLibrary;
  /** The arguments before the first stage. */
  readonly args: BuildArgs;
  /** Called when a step of the Dockerfile begins. */
  readonly onStep: (code: string) => void;
}

/** The outcome of a stage: an image, or the feature of a trigger of its base that only BuildKit has. */
export type StageOutcome = StageResult | { readonly kind: "needs-buildkit"; readonly feature: string };

export interface StageResult {
  readonly kind: "built";
  /** Undefined for `FROM scratch` without a step. */
  readonly image: LocalImage | undefined;
  readonly base: LocalImage | undefined;
  /** Names of arguments that the stage has declared. */
  readonly declared: readonly string[];
}

/** Builds a stage: the ONBUILD triggers of its base, then its own steps. */
export async function buildStage({ stage, commands }: StagePlan, deps: StageDeps): Promise<StageOutcome> {
  const { session, args, stages, onStep } = deps;
  const { output, request, host } = session;
  stages.checkName(stage.name);
  onStep(stage.code);
  const requested = parseStagePlatform(stage, deps) ?? request.platform;
  const base = await stageBase(stage, requested, deps);
  const platform = stagePlatform(requested, base, host);
  const imagePlatform = base === undefined ? platform : stagePlatform(undefined, base, host);
  const cache = await ClassicCache.open(
    { base, platform, cacheFrom: request.cacheFrom, noCache: request.noCache },
    session.deps.store,
    session.hold,
  );
  const { OnBuild: texts = [], ...config } = base?.config.config ?? {};
  const triggers = texts.map((text) => parseTrigger(text));
  const feature = firstFeature(triggers, new Set([...args.meta.keys(), ...request.buildArgs.keys()]));
  if (feature !== undefined) return { kind: "needs-buildkit", feature };
  const state = beginStage(config, args);
  const run = new StageRun({
    deps,
    cache,
    image: base,
    state,
    platform,
    imagePlatform,
    name: stageName(stage, triggers.length + commands.length, deps),
  });
  if (triggers.length > 0) await run.triggers(triggers, commands);
  output.text(` ---> ${run.shownId}\n`);
  await run.commands(commands);
  if (run.image !== undefined) output.send({ aux: { ID: run.image.id } });
  return { kind: "built", image: run.image, base, declared: run.state.args.declared };
}

/** The stage as its steps are named when they are explained. */
function stageName({ name, base }: Stage, steps: number, deps: StageDeps): StageName {
  const shown = name === "" && deps.session.stageCount > 1 ? `stage-${deps.stages.count}` : name;
  return { name: shown, base: expanded(base, deps), total: steps + 1 };
}

function expanded(text: string, { session, args }: StageDeps): string {
  return expand(text, args.meta, session.expansion).text;
}

function parseStagePlatform(stage: Stage, deps: StageDeps): Platform | undefined {
  const text = stage.platform === "" ? "" : expanded(stage.platform, deps);
  try {
    return text === "" ? undefined : parsePlatform(text);
  } catch (error) {
    throw stepError(`failed to parse platform ${text}: ${platformFault(error)}`, error);
  }
}

async function stageBase(
  { base }: Stage,
  platform: Platform | undefined,
  deps: StageDeps,
): Promise<LocalImage | undefined> {
  const name = expanded(base, deps);
  if (name === "") throw stepError(`base name (${base}) should not be blank`);
  const stage = deps.stages.named(name);
  if (stage !== undefined) return stage.image;
  return name === "scratch" ? undefined : await baseImage(name, platform, deps.session);
}

interface StageRunOptions {
  readonly deps: StageDeps;
  readonly cache: ClassicCache;
  readonly image: LocalImage | undefined;
  readonly state: StageState;
  /** The platform for cache lookups. */
  readonly platform: Platform;
  /** The platform of new images. */
  readonly imagePlatform: Platform;
  readonly name: StageName;
}

class StageRun {
  readonly #deps: StageDeps;
  readonly #cache: ClassicCache;
  readonly #platform: Platform;
  readonly #imagePlatform: Platform;
  readonly #name: StageName;
  /** Number of the last step, from 1, which is `FROM`. */
  #number = 1;
  #hasMissed = false;
  image: LocalImage | undefined;
  state: StageState;

  constructor({ deps, cache, image, state, platform, imagePlatform, name }: StageRunOptions) {
    this.#deps = deps;
    this.#cache = cache;
    this.#platform = platform;
    this.#imagePlatform = imagePlatform;
    this.#name = name;
    this.image = image;
    this.state = state;
  }

  get shownId(): string {
    return this.image === undefined ? "" : shortId(this.image.id);
  }

  /** Executes the ONBUILD triggers of the base image. They are not counted as steps. */
  async triggers(commands: readonly Command[], after: readonly Command[]): Promise<void> {
    const { output } = this.#deps.session;
    output.text(`# Executing ${commands.length} build trigger`);
    if (commands.length > 1) output.text("s");
    output.text("\n");
    for (const [index, command] of commands.entries())
      await this.#step(command, [...commands.slice(index + 1), ...after]);
  }

  async commands(commands: readonly Command[]): Promise<void> {
    for (const [index, command] of commands.entries()) {
      throwIfAborted(this.#deps.session.hold.signal, "build");
      this.#deps.onStep(command.code);
      await this.#step(command, commands.slice(index + 1));
      this.#deps.session.output.text(` ---> ${this.shownId}\n`);
    }
  }

  async #step(command: Command, after: readonly Command[]): Promise<void> {
    const { containers, request } = this.#deps.session;
    let isDone = false;
    try {
      await this.#dispatch(command, after);
      isDone = true;
    } finally {
      if (request.remove === "always" || (request.remove === "on-success" && isDone)) containers.removeAll();
    }
  }

  async #dispatch(command: Command, after: readonly Command[]): Promise<void> {
    const { session, trees } = this.#deps;
    const host: StepHost = {
      expansion: session.expansion,
      resolveSources: (instruction, sources, destination) => trees.sources(instruction, sources, destination),
    };
    const step = await planStep(command, this.state, host);
    if (step.note !== undefined) session.output.text(step.note);
    const probe = this.#probe(step);
    const answer = await this.#cache.probe(probe, this.#following(step, after));
    const looked = this.#lookedUp(command, step, probe);
    if (answer.kind === "hit") {
      session.output.text(" ---> Using cache\n");
      session.explaining.hit(looked, answer);
      this.image = answer.image;
    } else this.image = await this.#make(looked);
    if (step.work.kind === "copy" || step.work.kind === "run") session.unchecked.add(this.image);
    this.state = step.state;
  }

  async #make(looked: LookedUp): Promise<LocalImage> {
    const { session } = this.#deps;
    const { explaining, output } = session;
    const why = await explaining.miss(looked);
    if (why !== "") output.text(` ---> Missed: ${why}\n`);
    this.#hasMissed = true;
    const image = await makeStep(looked.step, this.image, this.#imagePlatform, session);
    await explaining.made(looked, image);
    return image;
  }

  #lookedUp(command: Command, step: Step, probe: ProbeStep): LookedUp {
    this.#number += 1;
    return {
      stage: this.#name,
      number: this.#number,
      command,
      step,
      before: this.state,
      probe,
      parent: this.image,
      cache: this.#cache,
      hasMissed: this.#hasMissed,
    };
  }

  #probe({ probe, state }: Step): ProbeStep {
    return { config: probe, runConfig: state.run, platform: this.#platform };
  }

  /** Plans further steps, as far as that needs no download and no pull. */
  #following(step: Step, after: readonly Command[]): Following {
    const { session, trees } = this.#deps;
    const planned: Step[] = [];
    const host: StepHost = {
      expansion: session.lookAhead,
      resolveSources: (instruction, sources, destination) => {
        if (trees.needsNetwork(instruction, sources)) throw stepError("the step needs a download or a pull");
        return trees.sources(instruction, sources, destination);
      },
    };
    return async (n) => {
      while (planned.length < n) {
        const command = after[planned.length];
        if (command === undefined) return undefined;
        planned.push(await planStep(command, (planned.at(-1) ?? step).state, host));
      }
      const next = planned[n - 1];
      return next === undefined ? undefined : this.#probe(next);
    };
  }
}
