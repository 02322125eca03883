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
import type { CompileContext } from "../compile-context.ts";
import { type ImageDraft, cloneImage } from "../config/image-draft.ts";
import type { StageNode } from "../stages/stage-node.ts";

/** A secret or SSH agent that a step mounts, for outlines. */
export interface OutlineMount {
  readonly name: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

/** How a step is named in progress. */
interface StepName {
  readonly isOnbuild?: boolean;
  /** True to use the number of the previous step again. */
  readonly again?: boolean;
  /** Total number of steps. Defaults to the stage's. */
  readonly steps?: number;
  /** Defaults to the stage's. */
  readonly platform?: Platform;
}

/** A stage while its instructions are compiled. */
export class StageState {
  readonly node: StageNode;
  readonly context: CompileContext;
  /** The linter of the whole pass. Instructions use its `withComments`. */
  readonly linter: Linter;
  state: State = scratch();
  image: ImageDraft;
  baseImage: ImageDraft | undefined;
  platform: Platform;
  /** The ARGs so far, including those of the stages below. */
  buildArgs: Map<string, ArgDefinition> = new Map();
  /** Paths that are read of the lowest stage; shared with all stages on it. `/` means everything. */
  readonly paths: Set<string>;
  /** Paths that are read of the main context. */
  readonly contextPaths: Set<string> = new Set();
  /** False if the base image could not be looked up: its variables are unknown. */
  isBaseKnown = true;
  /** True if this Dockerfile has set a WORKDIR. */
  workdirSet = false;
  /** The last location of each kind of instruction of which only the last one counts. */
  readonly lastOf: Map<Instruction["kind"], SourceRange> = new Map();
  readonly argInfos: Map<string, ArgInfo> = new Map();
  readonly usedArgs: Set<string> = new Set();
  readonly secrets: Map<string, OutlineMount> = new Map();
  readonly agents: Map<string, OutlineMount> = new Map();
  #step = 0;

  constructor(node: StageNode, context: CompileContext, linter: Linter, image: ImageDraft, paths: Set<string>) {
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

  /**
   * Sets variables of the stage's steps.
   * @throws {VarveError} `limit-exceeded` for too many variables.
   */
  setVariables(variables: readonly (readonly [key: string, value: string])[]): void {
    this.state = this.state.addEnvs(variables);
    checkVariables(this.env.size);
  }

  /** Counts the step and returns its name, such as `[stage 2/5] RUN x`. With `again`, does not count it. */
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
      // Not a platform: use the other variables.
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

/** Returns for example `->arm64` if the stage's variables name another target platform. */
function crossTarget(base: Platform, env: ReadonlyMap<string, string>): string {
  const target = envPlatform(base, env);
  if (target === undefined) return "";
  if (target.os !== base.os) return `->${formatWholePlatform(target)}`;
  if (target.architecture === base.architecture) return "";
  return `->${target.architecture}${target.variant === undefined ? "" : `/${target.variant}`}`;
}
