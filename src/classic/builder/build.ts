import { type LocalImage, nameImage } from "../../image/index.ts";
import { squashImage } from "../../images/index.ts";
import { type Digest, type Reference, familiarReference, formatReference, hostPlatform } from "../../core/index.ts";
import type { Hold } from "../../record/index.ts";
import { BuildArgs } from "./step/build-args.ts";
import { UncheckedImages } from "./step/container-paths.ts";
import { type OpenedContext, openContext } from "./context/open-context.ts";
import { foreignFrontend } from "../../engine/index.ts";
import { type BuildPlan, planBuild } from "./dockerfile.ts";
import { Explaining } from "./explain/explaining.ts";
import { buildByEngine } from "../engine/build.ts";
import { stepError } from "./failure.ts";
import { buildkitFeature } from "./language.ts";
import { Containers, Output, shortId } from "./output.ts";
import type { BuildSession } from "./session.ts";
import { ExpansionBudget, expand } from "../../dockerfile/index.ts";
import { type StageOutcome, type StageResult, buildStage } from "./stage.ts";
import { Stages } from "./stages.ts";
import { readTags } from "./tags.ts";
import { TreeLibrary } from "./tree-library.ts";
import type { BuildDeps, BuildRequest, Emit } from "./types.ts";

/**
 * Builds an image as Docker's classic builder does, and returns its id. Messages have the daemon's words. Each step that is not
 * in the cache becomes an image. Nothing else is left when the build returns, throws or is cancelled. The engine builds a
 * Dockerfile with features that only BuildKit has.
 * @throws {VarveError} With the daemon's message. `details.apiStatus` is the HTTP status for an error before the first message;
 * `details.exitCode` is that of a command that failed.
 */
export async function buildClassic(
  request: BuildRequest,
  deps: BuildDeps,
  emit: Emit,
  signal: AbortSignal,
): Promise<Digest> {
  const tags = readTags(request.tags);
  await using lease = await deps.store.content.lease();
  const hold = { lease, signal };
  const output = new Output(emit, { quiet: request.quiet });
  try {
    const image = await buildImage(request, { deps, hold, output });
    output.text(`Successfully built ${shortId(image.id)}\n`);
    for (const tag of tags) await tagImage(image, tag, deps, output);
    output.result(`${image.id}\n`);
    return image.id;
  } catch (error) {
    output.flush();
    throw error;
  } finally {
    deps.store.records.flushUsage();
  }
}

async function tagImage(image: LocalImage, tag: Reference, deps: BuildDeps, output: Output): Promise<void> {
  await nameImage(deps.store, formatReference(tag), image.manifest);
  deps.onImage?.({ kind: "tag", image, name: familiarReference(tag) });
  output.text(`Successfully tagged ${familiarReference(tag)}\n`);
}

interface Parts {
  readonly deps: BuildDeps;
  readonly hold: Hold & { readonly signal: AbortSignal };
  readonly output: Output;
}

async function buildImage(request: BuildRequest, { deps, hold, output }: Parts): Promise<LocalImage> {
  await using stack = new AsyncDisposableStack();
  const context = stack.use(await openContext(request, { deps, hold, emit: output.send }));
  const isForeign = foreignOf(context, request, deps) !== undefined;
  const byEngine = async (feature: string): Promise<LocalImage> =>
    await buildByEngine(request, { context, feature, isForeign, deps, hold, output });
  if (isForeign) return await byEngine("# syntax");
  const plan = planBuild(context.dockerfile, request);
  const feature = buildkitFeature(plan, request.buildArgs);
  if (feature !== undefined) return await byEngine(feature);
  warnOfEmptyLines(plan, output);
  const commands = [...plan.file.globalArgs, ...plan.stages.flatMap((stage) => stage.commands)];
  const explaining = new Explaining({ deps, request, commands });
  stack.defer(() => explaining.finish());
  const session: BuildSession = {
    deps,
    request,
    hold,
    output,
    containers: new Containers(output),
    unchecked: new UncheckedImages(),
    stageCount: plan.stages.length,
    explaining,
    host: hostPlatform(),
    expansion: plan.file,
    lookAhead: { escape: plan.file.escape, budget: new ExpansionBudget() },
    context: context.tree,
    stack,
  };
  const outcome = await buildStages(plan, session);
  return outcome.kind === "built" ? outcome.image : await byEngine(outcome.feature);
}

/** Returns the front end that has to run as an image, if the Dockerfile or a build argument names one. */
function foreignOf(
  { dockerfile: text }: OpenedContext,
  { dockerfile: name, buildArgs }: BuildRequest,
  { frontendImages }: BuildDeps,
): ReturnType<typeof foreignFrontend> {
  const given = [...buildArgs].filter((entry): entry is [string, string] => entry[1] !== null);
  return foreignFrontend({ text, name }, { frontendImages, buildArgs: Object.fromEntries(given) });
}

function warnOfEmptyLines({ emptyContinuations }: BuildPlan, output: Output): void {
  if (emptyContinuations.length === 0) return;
  for (const code of emptyContinuations) output.red(`[WARNING]: Empty continuation line found in: ${code}\n`);
  output.red("[WARNING]: Empty continuation lines will become errors in a future release.\n");
}

type Outcome =
  | { readonly kind: "built"; readonly image: LocalImage }
  | Extract<StageOutcome, { readonly kind: "needs-buildkit" }>;

async function buildStages(plan: BuildPlan, session: BuildSession): Promise<Outcome> {
  const { output, request } = session;
  let count = 0;
  const onStep = (code: string): void => {
    output.text(`Step ${(count += 1)}/${plan.total} : ${code}`);
    output.text("\n");
  };
  const args = metaArgs(plan, new BuildArgs(request.buildArgs), onStep);
  const stages = new Stages();
  const trees = new TreeLibrary(session, stages);
  const declared = new Set(args.declared);
  let last: StageResult | undefined;
  for (const stage of plan.stages) {
    const outcome = await buildStage(stage, { session, stages, trees, args, onStep });
    if (outcome.kind === "needs-buildkit") return outcome;
    last = outcome;
    stages.add(stage.stage.name, last.image);
    for (const name of last.declared) declared.add(name);
  }
  const unused = args.unused(declared);
  if (unused.length > 0) output.text(`[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n`);
  if (last?.image === undefined) throw stepError("No image was generated. Is your Dockerfile empty?");
  const image = request.squash ? await squashed(last.image, last.base, session) : last.image;
  return { kind: "built", image };
}

async function squashed(
  image: LocalImage,
  base: LocalImage | undefined,
  { deps, hold, output }: BuildSession,
): Promise<LocalImage> {
  const single = await squashImage(image, base, deps.store, hold);
  output.send({ id: "moby.image.id", aux: { ID: single.id } });
  return single;
}

/** Returns the arguments before the first stage. Each is expanded with those before it. */
function metaArgs({ file }: BuildPlan, args: BuildArgs, onStep: (code: string) => void): BuildArgs {
  return file.globalArgs.reduce((known, instruction) => {
    onStep(instruction.code);
    const word = (text: string): string => expand(text, known.meta, file).text;
    return known.declareMeta(
      instruction.args.map(({ key, value }) => ({
        key: word(key),
        value: value === undefined ? undefined : word(value),
      })),
    );
  }, args);
}
