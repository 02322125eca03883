import { type Digest, compareBytes, splitEnv } from "../../core/index.ts";
import { type State, internalName, local } from "../../llb/index.ts";
import { Linter, fault } from "../../dockerfile/index.ts";
import { PatternMatcher } from "../../pattern/index.ts";
import type { CompileContext } from "../compile-context.ts";
import { dispatch } from "./dispatch.ts";
import { setWorkdir } from "./workdir.ts";
import { setUser } from "./config-instructions.ts";
import { DEFAULT_PATH } from "../../image/index.ts";
import { withLocation } from "../error-location.ts";
import type { StepOrigin } from "../options.ts";
import type { PassStates } from "./pass-states.ts";
import type { Plan } from "../stages/plan.ts";
import { SourceMap } from "./source-map.ts";
import type { StageNode } from "../stages/stage-node.ts";
import { StageState } from "./stage-state.ts";
import { stepOrigin } from "./step-origin.ts";

/** The paths that a pass reads of each source. */
export interface UsedPaths {
  readonly context: ReadonlySet<string>;
  readonly stages: ReadonlyMap<StageNode, ReadonlySet<string>>;
}

export interface PassResult {
  readonly target: StageState;
  readonly stages: ReadonlyMap<StageNode, StageState>;
  readonly used: UsedPaths;
  readonly sources: SourceMap;
  readonly origins: ReadonlyMap<Digest, StepOrigin>;
  readonly mainContext: State;
}

/** Returns the paths for `followpaths`, relative and sorted. Undefined means everything; so it does if no path is read. */
function followPaths(used: ReadonlySet<string> | undefined): readonly string[] | undefined {
  if (used === undefined || used.size === 0 || used.has("/")) return undefined;
  return Array.from(used, (path) => path.slice(1)).sort(compareBytes);
}

function mainContext({ options }: CompileContext, used: UsedPaths | undefined): State {
  const main = options.context ?? { kind: "local" };
  if (main.kind === "state") return main.state;
  const paths = followPaths(used?.context);
  const name = main.name ?? "context";
  return local(name, {
    name: internalName("load build context"),
    sharedKeyHint: name,
    excludePatterns: main.exclude ?? [],
    followPaths: paths,
    sessionId: options.sessionId,
  });
}

function ignoredBy({ options }: CompileContext): PatternMatcher | undefined {
  const main = options.context ?? { kind: "local" };
  if (main.kind === "state" || main.exclude === undefined || main.exclude.length === 0) return undefined;
  return new PatternMatcher(main.exclude);
}

class Pass implements PassStates {
  readonly mainContext: State;
  readonly ignored: PatternMatcher | undefined;
  readonly stages: Map<StageNode, StageState> = new Map();
  readonly linter: Linter;
  readonly sources: SourceMap;
  readonly origins: Map<Digest, StepOrigin> = new Map();
  readonly #context: CompileContext;
  readonly #used: UsedPaths | undefined;

  constructor(context: CompileContext, used: UsedPaths | undefined) {
    this.#context = context;
    this.#used = used;
    this.linter = used === undefined ? context.linter : new Linter(context.linter.options);
    this.mainContext = mainContext(context, used);
    this.ignored = ignoredBy(context);
    this.sources = new SourceMap(this.mainContext.edge);
  }

  stageOf(node: StageNode): StageState | undefined {
    return this.stages.get(node);
  }

  /** Adds the images that only `--from` names, before any stage is compiled. */
  addImages(nodes: Iterable<StageNode>): void {
    for (const node of nodes) if (node.stage === undefined || node.replacement !== undefined) this.#begin(node);
  }

  compile(node: StageNode): void {
    if (this.stages.has(node)) return;
    const { file } = this.#context;
    const stage = withLocation(file.source, node.range, () => this.#begin(node));
    withLocation(file.source, node.range, () => inheritConfig(stage));
    for (const planned of node.instructions) {
      const { range } = planned.instruction;
      const before = stage.state.edge;
      withLocation(file.source, range, () => dispatch(stage, planned, this));
      const { edge } = stage.state;
      if (edge === undefined || edge === before) continue;
      this.sources.add(edge, range);
      this.origins.set(edge.vertex.digest, stepOrigin(stage, planned.instruction));
    }
  }

  #begin(node: StageNode): StageState {
    const stage = node.base === undefined ? this.#fromSource(node) : this.#fromStage(node, node.base);
    this.stages.set(node, stage);
    if (node.base === undefined) this.sources.add(stage.state.edge, node.range);
    return stage;
  }

  #fromStage(node: StageNode, baseNode: StageNode): StageState {
    const base = this.stages.get(baseNode);
    if (base === undefined) throw fault(`cannot build on stage "${baseNode.title}": it has not been built`);
    const stage = new StageState(node, this.#context, this.linter, base.image, base.paths);
    stage.state = base.state;
    stage.platform = base.platform;
    stage.baseImage = base.baseImage;
    stage.workdirSet = base.workdirSet;
    stage.isBaseKnown = base.isBaseKnown;
    stage.buildArgs = new Map(base.buildArgs);
    return stage;
  }

  #fromSource(node: StageNode): StageState {
    const { resolved } = node;
    if (resolved === undefined) throw fault(`cannot build on "${node.baseName}": it has not been looked up`);
    const stage = new StageState(node, this.#context, this.linter, resolved.image, new Set());
    stage.platform = resolved.platform;
    stage.isBaseKnown = !resolved.isMissing;
    stage.baseImage = resolved.baseImage;
    stage.state = resolved.makeState({
      paths: followPaths(this.#used?.stages.get(node)),
      title: (text) => stage.stepName(text, { steps: node.ownSteps }),
    });
    return stage;
  }
}

/** Applies the base image's environment, working directory and user to a stage. */
function inheritConfig(stage: StageState): void {
  const { config } = stage.image;
  const { options } = stage.context;
  const env = config.Env ?? [];
  const hasPath = env.some((entry) => splitEnv(entry)[0] === "PATH");
  config.Env = hasPath || stage.platform.os === "windows" ? env : [...env, `PATH=${DEFAULT_PATH}`];
  stage.setVariables(config.Env.map(splitEnv));
  const { hostname = "" } = options;
  if (hostname !== "") stage.state = stage.state.with({ hostname });
  if (config.WorkingDir !== undefined && config.WorkingDir !== "") setWorkdir(stage, config.WorkingDir);
  if (config.User !== undefined && config.User !== "") setUser(stage, config.User);
  stage.state = stage.state.with({ network: options.network ?? "default" });
}

function usedPaths(stages: ReadonlyMap<StageNode, StageState>): UsedPaths {
  const context = new Set(Array.from(stages.values(), ({ contextPaths }) => [...contextPaths]).flat());
  const roots = Array.from(stages).filter(([node]) => node.base === undefined);
  return { context, stages: new Map(roots.map(([node, { paths }]) => [node, paths])) };
}

/**
 * Compiles all instructions of the needed stages. Which paths of a directory are read is known only at the end of a pass, but is
 * part of the directory's vertex. So callers run two passes: the first finds the paths and adds warnings to the context; the
 * second gets them as `used`.
 */
export function runPass(plan: Plan, context: CompileContext, used?: UsedPaths): PassResult {
  const pass = new Pass(context, used);
  const nodes = plan.table.nodes.filter((node) => plan.needed.has(node));
  pass.addImages(nodes);
  for (const node of nodes) pass.compile(node);
  const target = pass.stageOf(plan.target);
  if (target === undefined) throw fault(`target stage "${plan.target.title}" could not be built`);
  target.paths.add("/");
  const { stages, sources, origins, mainContext: main } = pass;
  return { target, stages, used: usedPaths(stages), sources, origins, mainContext: main };
}
