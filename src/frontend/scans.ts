import { parseGoBool } from "../core/index.ts";
import type { State } from "../llb/index.ts";
import type { CompileContext } from "./compile-context.ts";
import type { PassResult } from "./dispatch/pass.ts";
import type { StageState } from "./dispatch/stage-state.ts";
import type { Plan } from "./stages/plan.ts";
import { reachable } from "./stages/stage-node.ts";

const CONTEXT = "BUILDKIT_SBOM_SCAN_CONTEXT";
const STAGE = "BUILDKIT_SBOM_SCAN_STAGE";

/**
 * Returns what an SBOM describes besides the result, by name: the main context, and stages that the target is built from. ARGs of the
 * Dockerfile ask for them.
 */
export function extraScans(plan: Plan, pass: PassResult, context: CompileContext): ReadonlyMap<string, State> {
  const found = new Map<string, State>();
  if (isAsked(pass.target, CONTEXT, context)) found.set("context", pass.mainContext);
  for (const node of reachable(plan.target)) {
    const stage = pass.stages.get(node);
    if (stage === undefined || node.stage === undefined || stage === pass.target) continue;
    if (isAsked(stage, STAGE, context)) found.set(node.title, stage.state);
  }
  return found;
}

/** An ARG of the stage takes precedence over one before the first FROM. Its value is a bool, or a list of stages. */
function isAsked({ node, buildArgs }: StageState, name: string, { globals }: CompileContext): boolean {
  const value = buildArgs.get(name)?.value ?? globals.values.get(name);
  if (value === undefined) return false;
  return parseGoBool(value) ?? value.split(",").includes(node.title);
}
