import { VarveError, formatWholePlatform } from "../../core/index.ts";
import type { CompileResult } from "../../frontend/index.ts";
import { openLocalSession } from "../build.ts";
import type { ServedClient } from "../client/local-client.ts";
import { compileAll, loadBuild } from "../compile.ts";
import { type PlaceOf, buildFailure, placesOf } from "../failure.ts";
import { absolutePaths } from "../options/absolute-paths.ts";
import type { BuildSettings } from "../options/options.ts";
import type { Session } from "../session.ts";
import { type Store, type StoreOptions, openScratchStore } from "../store/store.ts";
import type { BuildPlan, PlanStep } from "./types.ts";

/** Options of a plan: those of the build, and which store it would use. */
export interface PlanBuildOptions extends BuildSettings {
  readonly store: StoreOptions;
}

/**
 * Says what a build would do: for every step whether its result would come from a cache, and if not, why. Runs no step, starts no program,
 * downloads no layer, and changes nothing in the store. Asks registries for the manifests of base images and of imported caches.
 *
 * @throws {VarveError} what `build` throws before the first step; `unsupported` for a context that is a URL.
 * @example
 * const { totals } = await plan({ store: { root: "/var/lib/varve" }, context: { kind: "directory", path: "." } });
 * console.log(totals.misses, "steps would run");
 */
export async function plan(options: PlanBuildOptions): Promise<BuildPlan> {
  return await servePlan(absolutePaths(options), {});
}

/** Plans as `plan` does, for a client of a server. Paths are absolute. */
export async function servePlan(options: PlanBuildOptions, served: ServedClient): Promise<BuildPlan> {
  if (options.context.kind === "url")
    throw new VarveError("unsupported", "Cannot plan a build whose context is a URL: it would have to be fetched");
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openScratchStore(options.store));
  const build = { ...options, store, attestations: [], cacheTo: [] };
  const session = stack.use(await openLocalSession(build, stack, served));
  let placeOf: PlaceOf | undefined;
  try {
    const loaded = await loadBuild(build, session, stack);
    const compiled = await compileAll(loaded, build, session);
    placeOf = placesOf(loaded.file.source, compiled);
    return await planCompiled(compiled, session, store);
  } catch (error) {
    throw buildFailure(error, placeOf);
  }
}

async function planCompiled(compiled: readonly CompileResult[], session: Session, store: Store): Promise<BuildPlan> {
  const { StepPlanner } = await import("./step-planner.ts");
  const planner = new StepPlanner(session, store, await session.project());
  const steps: PlanStep[] = [];
  for (const { origins } of compiled) session.explaining.addOrigins(origins);
  for (const { edge, platform } of compiled)
    if (edge !== undefined) steps.push(...(await planner.steps(edge, formatWholePlatform(platform))));
  return { steps, totals: totalsOf(steps, planner.fetchBytes) };
}

function totalsOf(steps: readonly PlanStep[], fetchBytes: number): BuildPlan["totals"] {
  const totals = { hits: 0, misses: 0, unknown: 0, fetchBytes, lastMs: 0 };
  for (const { outcome } of new Map(steps.map((step) => [step.digest, step])).values()) {
    if (outcome.kind === "hit") totals.hits += 1;
    else if (outcome.kind === "unknown") totals.unknown += 1;
    else if (outcome.kind === "miss") {
      totals.misses += 1;
      totals.lastMs += outcome.lastMs ?? 0;
    }
  }
  return totals;
}
