import { type State, localSourceOf, walkVertices } from "../llb/index.ts";
import { type Platform, normalizePlatform, throwIfAborted } from "../core/index.ts";
import { type Dockerfile, Linter } from "../dockerfile/index.ts";
import { builtInArgs } from "./arguments.ts";
import { type CompileContext, compileContext } from "./compile-context.ts";
import { type ImageDraft, addLabels, imagePlatform, platformFields, tidyImage } from "./config/image-draft.ts";
import { lintDefaultArgs } from "./stages/lint-from.ts";
import type { CompileHost, CompileOptions, CompileResult, NeededLocal } from "./options.ts";
import { withEpoch } from "./epoch/epoch.ts";
import { type PassResult, runPass } from "./dispatch/pass.ts";
import { type Plan, makePlan } from "./stages/plan.ts";
import type { MissingBases } from "./stages/resolve.ts";
import { extraScans } from "./scans.ts";
import type { StageState } from "./dispatch/stage-state.ts";

/** Returns the target's config with the build's labels and platform. */
function finishImage({ image }: StageState, { options, target, implicitTarget }: CompileContext): ImageDraft {
  if (options.labels !== undefined && options.labels.size > 0) addLabels(image.config, options.labels);
  if (!implicitTarget) {
    const differs = target.os !== image.os || target.architecture !== image.architecture;
    if (differs) for (const key of ["variant", "os.version"] as const) delete image[key];
    Object.assign(image, platformFields(target));
  }
  const normal = imagePlatform(image);
  if (normal === undefined) return tidyImage(image);
  delete image.variant;
  return tidyImage({ ...image, ...platformFields(normalizePlatform(normal)) });
}

/** Returns the directories that the graph of a state reads from the client. */
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
    origins: pass.origins,
    warnings: context.linter.warnings,
    locals: neededLocals(target.state),
    stages: plan.table.nodes
      .filter((node) => pass.stages.has(node) && node.stage !== undefined)
      .map(({ title }) => title),
    scans: extraScans(plan, pass, context),
    ignoreCache: plan.target.ignoreCache,
  };
}

/** The stages of a compiled build, from which results and outlines are made. */
export interface Compiled {
  readonly plan: Plan;
  readonly pass: PassResult;
  readonly context: CompileContext;
}

/**
 * Compiles the needed stages. With `missing`, errors of base images are added to it, and their stages are compiled as if the
 * base were an empty image.
 */
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
 * Compiles a Dockerfile for one platform. Returns the graph to solve, the image's config with its history, and warnings. The
 * ops are those of BuildKit's Dockerfile front end, field for field, so that cache keys agree. Only stages that the target
 * needs are compiled, and only their base images are looked up.
 *
 * @throws {VarveError} `invalid-build` with the location in the Dockerfile; `limit-exceeded`; `cancelled`. Errors of the host
 * keep their code and get the location.
 * @example
 * const result = await compileDockerfile(parseDockerfile(text), { target: "app", context: { kind: "local" } }, host);
 * solve(result.edge);
 */
export async function compileDockerfile(
  file: Dockerfile,
  options: CompileOptions,
  host: CompileHost,
  signal?: AbortSignal,
): Promise<CompileResult> {
  const { plan, pass, context } = await compileStages(file, options, host, signal);
  context.linter.throwIfErrors();
  return resultOf(plan, pass, context);
}

/**
 * Compiles a Dockerfile for several platforms. Returns one result per platform, in the same order. Only the first has warnings,
 * because those of the others would be the same.
 *
 * @throws {VarveError} As `compileDockerfile`.
 * @example
 * const results = await compilePlatforms(file, [{ os: "linux", architecture: "arm64" }], options, host);
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
