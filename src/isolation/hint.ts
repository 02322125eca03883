import { ownIdMaps } from "../linux/index.ts";
import { planMapped } from "./plan.ts";
import { explainRefusal } from "./refusal.ts";

/** Returns what an ordinary user can do to run steps; undefined for root, and in a user namespace. */
export function namespaceHint(): string | undefined {
  if (process.geteuid?.() === 0 || ownIdMaps() !== undefined) return undefined;
  const plan = planMapped();
  if (!("reason" in plan)) return "Run `varve doctor`: it says why this user cannot have a user namespace.";
  const { why, fix } = explainRefusal(plan);
  return `Steps of ordinary users run in a user namespace, and ${why}. To fix: ${fix}`;
}
