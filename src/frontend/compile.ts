import { type State, localSourceOf, walkVertices } from "../llb/index.ts";
import { type Platform, normalizePlatform, throwIfAborted } from "../core/index.ts";
import { type Dockerfile, Linter, fault } from "../dockerfile/index.ts";
import { builtInArgs } from "./arguments.ts";
import { type CompileContext, compileContext } from "./context.ts";
import { type ImageConfig, addEntries, imagePlatform, platformFields, tidyImage } from "./config/image.ts";
import { lintDefaultArgs } from "./lint-from.ts";
import type { CompileHost, CompileOptions, CompileResult, NeededLocal } from "./options.ts";
import { atAsync } from "./dispatch/error-place.ts";
import { type PassResult, runPass } from "./dispatch/pass.ts";
import { type Plan, makePlan } from "./stages/plan.ts";
import type { MissingBases } from "./stages/resolve.ts";
import type { StageState } from "./dispatch/stage-state.ts";
import { historyTime } from "./config/history.ts";

const EPOCH = "SOURCE_DATE_EPOCH";

async function contextTime(
  { options }: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const main = options.context;
  if (main?.kind !== "state" || main.state.edge === undefined) return undefined;
  return host.sourceTime?.(main.state.edge, signal);
}

async function readEpoch(
  text: string,
  context: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  if (text === "context") return contextTime(context, host, signal);
  if (!/^[+-]?\d{1,15}$/.test(text)) throw fault(`invalid ${EPOCH}: ${text}`);
  historyTime(Number(text));
  return Number(text);
}

/** The context with its epoch, and the argument as what it came to: seconds, or not there. */
async function withEpoch(
  context: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
): Promise<CompileContext> {
  const given = context.buildArgs.get(EPOCH);
  const text = given ?? context.globals.values.get(EPOCH) ?? "";
  if (text === "" && given === undefined) return context;
  const read = async (): Promise<number | undefined> => await readEpoch(text, context, host, signal);
  const range = given === undefined ? context.globals.infos.get(EPOCH)?.range : undefined;
  const placed = range === undefined ? read : () => atAsync(context.file.source, range, read);
  const epoch = text === "" ? undefined : await placed();
  const replace = (values: ReadonlyMap<string, string>): Map<string, string> => {
    const copy = new Map(values);
    if (epoch === undefined) copy.delete(EPOCH);
    else if (copy.has(EPOCH)) copy.set(EPOCH, String(epoch));
    return copy;
  };
  const globals = { ...context.globals, values: replace(context.globals.values) };
  return { ...context, epoch, globals, buildArgs: replace(context.buildArgs) };
}

/** The target's config with the build's labels and platform. */
function finishImage({ image }: StageState, { options, target, implicitTarget }: CompileContext): ImageConfig {
  if (options.labels !== undefined && options.labels.size > 0) addEntries(image.config, "Labels", options.labels);
  if (!implicitTarget) {
    const isOther = target.os !== image.os || target.architecture !== image.architecture;
    if (isOther) for (const key of ["variant", "os.version"] as const) delete image[key];
    Object.assign(image, platformFields(target));
  }
  const normal = imagePlatform(image);
  if (normal === undefined) return tidyImage(image);
  delete image.variant;
  return tidyImage({ ...image, ...platformFields(normalizePlatform(normal)) });
}

/** The directories that the graph below a state asks the client for. */
function neededLocals({ edge }: State): NeededLocal[] {
  return (edge === undefined ? [] : walkVertices([edge.vertex])).flatMap(({ op }) => {
    const source = localSourceOf(op);
    if (source === undefined) return [];
    const { name, excludePatterns: exclude = [], followPaths } = source;
    return [{ name, exclude, followPaths }];
  });
}

function resultOf(plan: Plan, pass: PassResult, context: CompileContext): CompileResult {
  const { target } = pass;
  const platform: Platform = context.implicitTarget ? target.platform : context.target;
  return {
    state: target.state,
    edge: target.state.edge,
    platform,
    image: finishImage(target, context),
    baseImage: target.baseImage === undefined ? undefined : tidyImage(target.baseImage),
    epoch: context.epoch,
    sources: pass.sources.ranges,
    warnings: context.linter.warnings,
    locals: neededLocals(target.state),
    stages: plan.table.nodes
      .filter((node) => pass.stages.has(node) && node.stage !== undefined)
      .map(({ title }) => title),
    ignoreCache: plan.target.ignoreCache,
  };
}

/** A compiled build before it is made a result: what outlines are made of. */
export interface Compiled {
  readonly plan: Plan;
  readonly pass: PassResult;
  readonly context: CompileContext;
}

/** Compiles the needed stages. With `missing`, it takes the errors of bases, and their stages are compiled without them. */
export async function compileStages(
  file: Dockerfile,
  options: CompileOptions,
  host: CompileHost,
  signal: AbortSignal | undefined,
  missing?: MissingBases,
): Promise<Compiled> {
  throwIfAborted(signal, "compile the Dockerfile");
  const { warnings = [] } = options;
  warnings.push(...file.linter.warnings);
  const linter = new Linter(options.lint ?? file.linter.options, warnings);
  const first = compileContext(file, options, linter);
  lintDefaultArgs(file, builtInArgs(first, options.target ?? "", first.buildArgs), linter);
  const context = await withEpoch(first, host, signal);
  const plan = await makePlan(context, host, signal, missing);
  throwIfAborted(signal, "compile the Dockerfile");
  const { used } = runPass(plan, context);
  return { plan, context, pass: runPass(plan, context, used) };
}

/**
 * Compiles a Dockerfile for one platform: the graph to solve, the image's config with its history, what was noticed on the
 * way. The ops are those of BuildKit's Dockerfile front end, field for field, so that cache keys agree. Only what the target
 * needs is compiled and looked up. Throws `invalid-build` with the place in the Dockerfile; errors of the host keep their
 * code and get the place.
 */
export async function compileDockerfile(
  file: Dockerfile,
  options: CompileOptions,
  host: CompileHost,
  signal?: AbortSignal,
): Promise<CompileResult> {
  const { plan, pass, context } = await compileStages(file, options, host, signal);
  context.linter.failIfAsked();
  return resultOf(plan, pass, context);
}

/**
 * Compiles a Dockerfile for several platforms, in their order. Warnings are with the first: they would be the same for the
 * others but for names.
 */
export async function compilePlatforms(
  file: Dockerfile,
  platforms: readonly Platform[],
  options: CompileOptions,
  host: CompileHost,
  signal?: AbortSignal,
): Promise<CompileResult[]> {
  const multiPlatform = options.multiPlatform ?? platforms.length > 1;
  const results = await Promise.all(
    platforms.map((targetPlatform, index) => {
      const own = { ...options, multiPlatform, targetPlatform };
      return compileDockerfile(file, index === 0 ? own : { ...own, warnings: [] }, host, signal);
    }),
  );
  return results.map((result, index) => (index === 0 ? result : { ...result, warnings: [] }));
}
