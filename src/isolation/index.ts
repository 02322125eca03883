export { attemptUserNamespace, planFor } from "./attempt.ts";
export { type EnteredCommand, type EnteredProgram, enterUserNamespace, waitForProgram } from "./enter.ts";
export { type IsolationMode, STEP_ISOLATIONS, type StepIsolation, parseIsolationMode } from "./mode.ts";
export type { NamespacePlan } from "./plan.ts";
export { namespaceHint } from "./hint.ts";
export { type Explanation, type Refusal, explainRefusal, refusalError } from "./refusal.ts";
export { idCount } from "./subordinate-ids.ts";
