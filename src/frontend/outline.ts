import type { Dockerfile, LintWarning, SourceRange } from "../dockerfile/index.ts";
import { VarveError } from "../core/index.ts";
import type { ArgInfo } from "./arguments.ts";
import { type Compiled, compileStages } from "./compile.ts";
import type { CompileHost, CompileOptions } from "./options.ts";
import type { MissingBases } from "./stages/resolve.ts";
import type { StageNode } from "./stages/stage-node.ts";
import type { StageState, OutlineMount } from "./dispatch/stage-state.ts";

/** A stage that can be built, as `--call=targets` shows it. */
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

/** The inputs of a target, as `--call=outline` shows them. */
export interface Outline {
  readonly name: string;
  readonly description: string;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
  /** Errors of base images that could not be looked up. The outline lacks what depends on their configs. */
  readonly missing: readonly VarveError[];
}

/** The result of `--call=check`. */
export interface CheckResult {
  readonly warnings: readonly LintWarning[];
  /** Errors of base images that could not be looked up. What depends on their configs was not checked. */
  readonly missing: readonly VarveError[];
  /** The error that fails the build. */
  readonly error: VarveError | undefined;
}

/**
 * Returns the stages of a Dockerfile, in order.
 *
 * @example
 * const names = listTargets(parseDockerfile(text)).map(({ name }) => name);
 */
export function listTargets(file: Dockerfile): TargetInfo[] {
  return file.stages.map(({ name, description, base, platform, range }, index) => {
    return { name, description, isDefault: index === file.stages.length - 1, base, platform, range };
  });
}

/** Returns the stages on which a stage depends, itself first. */
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

/** Returns the names and, recursively, the names that their values contain. */
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
 * Returns the arguments, secrets and SSH agents that a target uses, with the argument values of this build. Runs nothing. Base
 * images that cannot be looked up count as images with an empty config.
 *
 * @throws {VarveError} As `compileDockerfile`, except for base images that cannot be looked up.
 * @example
 * const { args, secrets } = await outline(parseDockerfile(text), { target: "app" }, host);
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
 * Runs all checks, over all stages unless a target is named. An error that fails the build is part of the result. Stages whose
 * base image cannot be looked up are checked too, except for undefined variables, which the base image may define.
 *
 * @throws {VarveError} `cancelled`, `internal`.
 * @example
 * const { warnings, error } = await checkDockerfile(parseDockerfile(text), {}, host);
 */
export async function checkDockerfile(
  file: Dockerfile,
  options: CompileOptions,
  host: CompileHost,
  signal?: AbortSignal,
): Promise<CheckResult> {
  const allStages = options.target === undefined || options.target === "" ? true : options.allStages;
  const missing: MissingBases = new Map();
  const warnings: LintWarning[] = [];
  const result = (error: VarveError | undefined): CheckResult => {
    return { warnings, missing: [...missing.values()], error };
  };
  try {
    const { context } = await compileStages(file, { ...options, allStages, warnings }, host, signal, missing);
    context.linter.throwIfErrors();
    return result(undefined);
  } catch (error) {
    if (!(error instanceof VarveError) || error.code === "cancelled" || error.code === "internal") throw error;
    return result(error);
  }
}
