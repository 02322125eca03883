import { type Platform, formatWholePlatform, normalizePlatform, parseGivenPlatform } from "../../core/index.ts";
import {
  type ArgDefinition,
  type Instruction,
  type Linter,
  type SourceRange,
  checkVariables,
} from "../../dockerfile/index.ts";
import { type State, scratch } from "../../llb/index.ts";
import type { ArgInfo } from "../arguments.ts";
import type { CompileContext } from "../context.ts";
import { type ImageConfig, cloneImage } from "../config/image.ts";
import type { StageNode } from "../stages/stage-node.ts";

/** A secret or an agent that a step wants, for outlines. */
export interface Wanted {
  readonly name: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

/** How a step is named in progress. */
interface StepName {
  readonly isOnbuild?: boolean;
  /** Another name for the step counted last. */
  readonly again?: boolean;
  /** How many steps there are, if not those of the stage. */
  readonly steps?: number;
  /** The stage's unless given. */
  readonly platform?: Platform;
}

/** A stage while its instructions are carried out one by one. */
export class StageState {
  readonly node: StageNode;
  readonly context: CompileContext;
  /** Of the whole pass; `withComments` of it for one instruction. */
  readonly linter: Linter;
  state: State = scratch();
  image: ImageConfig;
  baseImage: ImageConfig | undefined;
  platform: Platform;
  /** The ARGs so far, those of the stages below included. */
  buildArgs: Map<string, ArgDefinition> = new Map();
  /** What is read of the stage at the bottom; shared with all stages on it. `/` is everything. */
  readonly paths: Set<string>;
  /** What is read of the main context. */
  readonly contextPaths: Set<string> = new Set();
  /** False if the image at the bottom could not be looked up: its variables are unknown. */
  isBaseKnown = true;
  /** A WORKDIR has been given in this Dockerfile. */
  workdirSet = false;
  /** Where instructions stand of which only the last counts. */
  readonly lastOf: Map<Instruction["kind"], SourceRange> = new Map();
  readonly argInfos: Map<string, ArgInfo> = new Map();
  readonly usedArgs: Set<string> = new Set();
  readonly secrets: Map<string, Wanted> = new Map();
  readonly agents: Map<string, Wanted> = new Map();
  #step = 0;

  constructor(node: StageNode, context: CompileContext, linter: Linter, image: ImageConfig, paths: Set<string>) {
    this.node = node;
    this.context = context;
    this.linter = linter;
    this.image = cloneImage(image);
    delete this.image.config.OnBuild;
    this.platform = context.target;
    this.paths = paths;
  }

  get env(): ReadonlyMap<string, string> {
    return this.state.defaults.env;
  }

  /** Throws `limit-exceeded` if they are too many with those the stage has. */
  setVariables(variables: readonly (readonly [key: string, value: string])[]): void {
    this.state = this.state.addEnvs(variables);
    checkVariables(this.env.size);
  }

  /** `[stage 2/5] RUN x`: counts the step, unless it is another name for the one counted last. */
  stepName(text: string, options: StepName = {}): string {
    const { title } = this.node;
    const { steps = this.node.steps, platform = this.platform } = options;
    if (steps === 0) return text;
    if (options.again !== true) this.#step++;
    const width = Math.trunc(1 + Math.log10(steps));
    const stage = title === "" ? "" : `${title} `;
    const onbuild = options.isOnbuild === true ? "ONBUILD " : "";
    return `[${this.#platformText(platform)}${stage}${String(this.#step).padStart(width)}/${steps}] ${onbuild}${text}`;
  }

  #platformText(platform: Platform): string {
    if (this.context.options.multiPlatform !== true) return "";
    return `${formatWholePlatform(platform)}${crossTarget(platform, this.env)} `;
  }
}

function envPlatform(base: Platform, env: ReadonlyMap<string, string>): Platform | undefined {
  const whole = env.get("TARGETPLATFORM");
  if (whole !== undefined) {
    try {
      return normalizePlatform(parseGivenPlatform(whole));
    } catch {
      // Not a platform: the parts may say more.
    }
  }
  const os = env.get("TARGETOS");
  const architecture = env.get("TARGETARCH");
  const variant = env.get("TARGETVARIANT");
  if (os === undefined && architecture === undefined && variant === undefined) return undefined;
  return normalizePlatform({
    os: os || base.os,
    architecture: architecture || base.architecture,
    ...(variant === undefined ? {} : { variant }),
  });
}

/** `->arm64` if the stage's variables say it compiles for another platform. */
function crossTarget(base: Platform, env: ReadonlyMap<string, string>): string {
  const target = envPlatform(base, env);
  if (target === undefined) return "";
  if (target.os !== base.os) return `->${formatWholePlatform(target)}`;
  if (target.architecture === base.architecture) return "";
  return `->${target.architecture}${target.variant === undefined ? "" : `/${target.variant}`}`;
}
