export { type Judge, applyPolicy } from "./apply.ts";
export { PolicyEngine } from "./engine.ts";
export { canonicalIdentifier } from "./identifier.ts";
export {
  type PolicyAnswer,
  type PolicyDecision,
  type PolicyJudge,
  type PolicyRequest,
  type PolicySession,
  judgeSource,
} from "./session.ts";
export type { AttrConstraint, Policy, PolicyAction, Rule, Selector, Update } from "./types.ts";
