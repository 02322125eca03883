import { type IdMaps, findProgramSync } from "../linux/index.ts";
import { enterUserNamespace } from "./enter.ts";
import { type NamespacePlan, planMapped, planSingle } from "./plan.ts";
import type { Refusal } from "./refusal.ts";

/** Plans a user namespace for a mode. */
export function planFor(mode: "userns" | "userns-single"): NamespacePlan | Refusal {
  return mode === "userns" ? planMapped() : planSingle();
}

/** Finds out whether this user can have a user namespace, by making one. Returns its ids, or why not. */
export async function attemptUserNamespace(mode: "userns" | "userns-single" = "userns"): Promise<IdMaps | Refusal> {
  const plan = planFor(mode);
  if ("reason" in plan) return plan;
  const nothing = findProgramSync("true") ?? "/bin/true";
  const entered = await enterUserNamespace(plan, { command: [nothing], env: process.env, stdio: "ignore" });
  if ("reason" in entered) return entered;
  await entered.ended;
  return plan.maps;
}
