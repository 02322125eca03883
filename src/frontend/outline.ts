import type { Dockerfile, LintWarning, SourceRange } from "../dockerfile/index.ts";
import { VarveError } from "../core/index.ts";
import type { ArgInfo } from "./arguments.ts";
import { type Compiled, compileStages } from "./compile.ts";
import type { CompileHost, CompileOptions } from "./options.ts";
import type { MissingBases } from "./stages/resolve.ts";
import type { StageNode } from "./stages/stage-node.ts";
import type { StageState, Wanted } from "./dispatch/stage-state.ts";

/** A stage that can be built: `--call=targets`. */
export interface TargetInfo {
  readonly name: string;
  readonly description: string;
  readonly isDefault: boolean;
  readonly base: string;
  readonly platform: string;
  readonly range: SourceRange;
}

/** An argument that the target's result depends on. */
export interface OutlineArg {
  readonly name: string;
  readonly value: string | undefined;
  readonly description: string;
  readonly range: SourceRange;
}

/** What a target takes from outside: `--call=outline`. */
export interface Outline {
  readonly name: string;
  readonly description: string;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly Wanted[];
  readonly ssh: readonly Wanted[];
  /** Why bases could not be looked up. What depends on their configs is not told. */
  readonly missing: readonly VarveError[];
}

/** What the checks found: `--call=check`. */
export interface CheckResult {
  readonly warnings: readonly LintWarning[];
  /** Why bases could not be looked up. What depends on their configs was not checked. */
  readonly missing: readonly VarveError[];
  /** What is wrong beyond warnings. */
  readonly error: VarveError | undefined;
}

/** The stages of a Dockerfile, in order. */
export function listTargets(file: Dockerfile): TargetInfo[] {
  return file.stages.map(({ name, description, base, platform, range }, index) => {
    return { name, description, isDefault: index === file.stages.length - 1, base, platform, range };
  });
}

/** The stages that a stage's result comes from, itself first. */
function stagesBelow(node: StageNode, stages: ReadonlyMap<StageNode, StageState>): StageState[] {
  const found = new Set<StageNode>();
  const waiting = [node];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (found.has(next)) continue;
    found.add(next);
    if (next.base !== undefined) waiting.push(next.base);
    waiting.push(...next.dependencies.keys());
  }
  return Array.from(found, (each) => stages.get(each)).filter((stage) => stage !== undefined);
}

/** The names in use, and those that their values are made of. */
function withUses(names: Iterable<string>, infos: ReadonlyMap<string, ArgInfo>): Set<string> {
  const found = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    waiting.push(...(infos.get(name)?.uses ?? []));
  }
  return found;
}

function argsOf(stage: StageState, globals: ReadonlyMap<string, ArgInfo>): OutlineArg[] {
  const infos = new Map([...globals, ...stage.argInfos]);
  const used = withUses([...stage.usedArgs, ...stage.node.usedArgs], infos);
  return Array.from(used, (name) => infos.get(name))
    .filter((info) => info !== undefined)
    .map(({ definition, value, range }) => {
      return { name: definition.key, value, description: definition.description, range };
    });
}

function inOrder<T extends { readonly name: string; readonly range: SourceRange }>(items: readonly T[]): T[] {
  const byName = new Map<string, T>();
  for (const item of items) if (!byName.has(item.name)) byName.set(item.name, item);
  return [...byName.values()].sort((a, b) => a.range.start.line - b.range.start.line);
}

function outlineOf({ plan, pass, context }: Compiled, missing: readonly VarveError[]): Outline {
  const stages = stagesBelow(plan.target, pass.stages);
  return {
    name: plan.target.name,
    description: plan.target.stage?.description ?? "",
    args: inOrder(stages.flatMap((stage) => argsOf(stage, context.globals.infos))),
    secrets: inOrder(stages.flatMap(({ secrets }) => [...secrets.values()])),
    ssh: inOrder(stages.flatMap(({ agents }) => [...agents.values()])),
    missing,
  };
}

/**
 * The arguments, secrets and agents that a target uses, with their values for this build. Nothing is run. Bases that cannot
 * be looked up count as images with an empty config.
 */
export async function outline(
  file: Dockerfile,
  options: CompileOptions,
  host: CompileHost,
  signal?: AbortSignal,
): Promise<Outline> {
  const missing: MissingBases = new Map();
  const compiled = await compileStages(file, options, host, signal, missing);
  return outlineOf(compiled, [...missing.values()]);
}

/**
 * Runs all checks, over all stages unless a target is named. What fails the build is part of the result. Stages whose base
 * cannot be looked up are checked all the same, but for their variables, which may be the base's.
 */
export async function checkDockerfile(
  file: Dockerfile,
  options: CompileOptions,
  host: CompileHost,
  signal?: AbortSignal,
): Promise<CheckResult> {
  const everything = options.target === undefined || options.target === "";
  const missing: MissingBases = new Map();
  const warnings: LintWarning[] = [];
  const result = (error: VarveError | undefined): CheckResult => {
    return { warnings, missing: [...missing.values()], error };
  };
  try {
    const allStages = everything ? { allStages: true } : {};
    const { context } = await compileStages(file, { ...options, ...allStages, warnings }, host, signal, missing);
    context.linter.failIfAsked();
    return result(undefined);
  } catch (error) {
    if (!(error instanceof VarveError) || error.code === "cancelled" || error.code === "internal") throw error;
    return result(error);
  }
}
