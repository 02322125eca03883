import { Semaphore } from "../../io/index.ts";
import { type Platform, goQuote, isVarveError, parseGivenPlatform, platformFault } from "../../core/index.ts";
import {
  type Expansion,
  type Instruction,
  type Linter,
  NO_VARIABLES,
  type Stage,
  didYouMean,
  expand,
  fault,
  parseTrigger,
  suggestion,
} from "../../dockerfile/index.ts";
import type { CompileContext } from "../compile-context.ts";
import { lintConstantPlatform, lintFromArgs, lintRedundantPlatform } from "./lint-from.ts";
import { findNamedContext } from "./named-context.ts";
import type { CompileHost } from "../options.ts";
import { withLocation, withLocationAsync, addLocation } from "../error-location.ts";
import { ImageLookup } from "./image-lookup.ts";
import { type MissingBases, type ResolveContext, missingBase, resolveBase } from "./resolve.ts";
import type { ResolvedBase } from "./resolved-base.ts";
import { type PlannedInstruction, StageNode, StageTable, findCycle, reachable } from "./stage-node.ts";

/** The stages with their dependencies and, for those that are needed, their base images. */
export interface Plan {
  readonly table: StageTable;
  readonly target: StageNode;
  /** The nodes to compile: those that the target needs, or all. */
  readonly needed: ReadonlySet<StageNode>;
}

/** Instructions that are steps in progress. */
const STEPS = new Set<Instruction["kind"]>(["add", "copy", "run", "workdir"]);
const PARALLEL_LOOKUPS = 8;

function expandBase(stage: Stage, { file, globals }: CompileContext, linter: Linter): Expansion {
  const expansion = expand(stage.base, globals.values, file);
  lintFromArgs(expansion, stage, globals, linter);
  if (expansion.text === "") throw fault(`base name (${stage.base}) should not be blank`);
  return expansion;
}

function readPlatform(text: string, { unmatched }: Expansion, stage: Stage, { globals }: CompileContext): Platform {
  const hint = didYouMean([...unmatched].map((name) => suggestion(name, globals.values.keys())).find(Boolean));
  if (text === "") throw fault(`empty platform value from expression ${stage.platform}${hint}`);
  try {
    return parseGivenPlatform(text);
  } catch (error) {
    throw fault(`failed to parse platform ${stage.platform}: ${platformFault(error)}${hint}`);
  }
}

function applyPlatform(node: StageNode, stage: Stage, context: CompileContext, linter: Linter): void {
  if (stage.platform === "") return;
  const expansion = expand(stage.platform, context.globals.values, context.file);
  lintFromArgs(expansion, stage, context.globals, linter);
  lintRedundantPlatform(expansion, stage, context.globals, linter);
  lintConstantPlatform(expansion, stage, linter);
  node.platform = readPlatform(expansion.text, expansion, stage, context);
  for (const name of expansion.matched) node.usedArgs.add(name);
}

function isNoCache({ options }: CompileContext, name: string): boolean {
  const { noCache = false } = options;
  return typeof noCache === "boolean" ? noCache : noCache.some((given) => given.toLowerCase() === name);
}

function addStage(table: StageTable, stage: Stage, index: number, context: CompileContext): void {
  const linter = context.linter.withComments(stage.comments);
  const expansion = expandBase(stage, context, linter);
  const node = new StageNode(expansion.text, stage.range, stage);
  for (const name of expansion.matched) node.usedArgs.add(name);
  applyPlatform(node, stage, context, linter);
  node.title = stage.name === "" ? `stage-${index}` : stage.name;
  node.replacement = stage.name === "" ? undefined : findNamedContext(context, stage.name, node.platform);
  table.add(node);
  if (node.replacement !== undefined) {
    node.base = undefined;
    return;
  }
  const fetches = node.baseName !== "scratch" && node.base === undefined ? 1 : 0;
  node.ownSteps = fetches + stage.instructions.filter(({ kind }) => STEPS.has(kind)).length;
  node.steps = node.ownSteps;
  node.ignoreCache = isNoCache(context, stage.name);
}

function copySource(from: string, instruction: Instruction, table: StageTable, { file }: CompileContext): StageNode {
  if (expand(from, NO_VARIABLES, file).text !== from)
    throw fault(
      "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    );
  if (!/^[+-]?\d+$/.test(from)) return table.byName(from) ?? new StageNode(from, instruction.range);
  const node = table.nodes[Number(from)];
  if (node === undefined) throw fault(`invalid stage index ${Number(from)}`);
  return node;
}

function sourcesOf(instruction: Instruction, table: StageTable, context: CompileContext): StageNode[] {
  if (instruction.kind === "copy" && instruction.from !== "")
    return [copySource(instruction.from, instruction, table, context)];
  if (instruction.kind !== "run") return [];
  return instruction.mounts.map(({ from }) => {
    const name = from === "" ? "scratch" : from;
    return table.byName(name) ?? new StageNode(name, instruction.range);
  });
}

function planInstruction(
  node: StageNode,
  instruction: Instruction,
  isOnbuild: boolean,
  table: StageTable,
  context: CompileContext,
): PlannedInstruction {
  const sources = withLocation(context.file.source, instruction.range, () => sourcesOf(instruction, table, context));
  for (const source of sources) {
    node.dependencies.set(source, instruction.range);
    if (!table.has(source)) table.add(source);
  }
  return { instruction, sources, isOnbuild };
}

function buildTable(context: CompileContext): StageTable {
  const { stages, source } = context.file;
  const table = new StageTable();
  for (const [index, stage] of stages.entries())
    withLocation(source, stage.range, () => addStage(table, stage, index, context));
  return table;
}

function findTarget(table: StageTable, { file, options }: CompileContext): StageNode {
  const { target = "" } = options;
  const stages = table.nodes.slice(0, file.stages.length);
  const last = stages.at(-1);
  if (target === "" && last !== undefined) return last;
  const found = table.byName(target) ?? (/^\d+$/.test(target) ? stages[Number(target)] : undefined);
  if (found !== undefined) return found;
  const hint = didYouMean(suggestion(target, table.names));
  throw fault(`target stage ${goQuote(target)} could not be found${hint}`);
}

function addDependencies(table: StageTable, context: CompileContext): void {
  for (const node of table.nodes)
    node.instructions = (node.stage?.instructions ?? []).map((instruction) =>
      planInstruction(node, instruction, false, table, context),
    );
  const cycle = findCycle(table.nodes);
  if (cycle !== undefined) {
    const error = fault(`circular dependency detected on stage: ${cycle.node.title}`);
    throw addLocation(error, context.file.source, cycle.ranges[0] ?? cycle.node.range);
  }
  const [single, ...others] = table.nodes;
  if (single !== undefined && others.length === 0) single.title = "";
}

/** Returns the ONBUILD instructions of the base. */
function triggersOf(node: StageNode): readonly string[] {
  if (node.base === undefined) return node.resolved?.image.config.OnBuild ?? [];
  return node.base.instructions.flatMap(({ instruction }) =>
    instruction.kind === "onbuild" ? [instruction.expression] : [],
  );
}

/** Inserts the base's triggers before the stage's own instructions. Returns true if they need further stages or images. */
function addTriggers(node: StageNode, table: StageTable, context: CompileContext): boolean {
  if (node.triggersAdded || (node.base === undefined && node.resolved === undefined)) return false;
  node.triggersAdded = true;
  if (node.stage === undefined || node.replacement !== undefined) return false;
  const triggers = withLocation(context.file.source, node.range, () =>
    triggersOf(node).map((text) => {
      const instruction: Instruction = { ...parseTrigger(text), range: node.range };
      return planInstruction(node, instruction, true, table, context);
    }),
  );
  node.instructions = [...triggers, ...node.instructions];
  node.steps += triggers.length;
  return triggers.some(({ sources }) => sources.length > 0);
}

/** Looks up the base of a node. With `missing`, an error is added to it and the base is an empty image. */
async function resolveNode(node: StageNode, resolve: ResolveContext, missing?: MissingBases): Promise<ResolvedBase> {
  try {
    return await withLocationAsync(resolve.context.file.source, node.range, () => resolveBase(node, resolve));
  } catch (error) {
    if (missing === undefined || !isVarveError(error) || error.code === "cancelled" || error.code === "internal")
      throw error;
    if (!missing.has(node.baseName)) missing.set(node.baseName, error);
    return missingBase(node, resolve.context);
  }
}

async function resolveNodes(
  nodes: Iterable<StageNode>,
  resolve: ResolveContext,
  missing: MissingBases | undefined,
): Promise<void> {
  const slots = new Semaphore(PARALLEL_LOOKUPS);
  const waiting = Array.from(nodes).filter((node) => node.base === undefined && node.resolved === undefined);
  await Promise.all(
    waiting.map(async (node) => {
      node.resolved = await slots.run(() => resolveNode(node, resolve, missing));
    }),
  );
  for (const { resolved, range } of waiting)
    if (resolved?.platformWarning !== undefined)
      resolve.context.linter.warn("InvalidBaseImagePlatform", range, resolved.platformWarning);
}

/**
 * Builds the graph of stages and looks up the bases of those that are needed. ONBUILD triggers are added to stages that the
 * target needs, as in BuildKit, even if all stages are compiled. A trigger may need further bases, so this repeats until
 * nothing is new.
 */
export async function makePlan(
  context: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
  missing?: MissingBases,
): Promise<Plan> {
  const table = buildTable(context);
  const target = findTarget(table, context);
  addDependencies(table, context);
  const images = new ImageLookup(host, signal);
  for (;;) {
    const own = reachable(target);
    const needed = context.options.allStages === true ? new Set(table.nodes) : own;
    await resolveNodes(needed, { context, host, images, signal, names: table.names }, missing);
    const isNew = Array.from(own, (node) => addTriggers(node, table, context));
    if (!isNew.includes(true)) return { table, target, needed };
  }
}
