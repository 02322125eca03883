export { Explainer, type ExplainContext, type ListOf, type MissOutcome } from "./explainer.ts";
export type { InputFacts, Part, StepFacts } from "./facts.ts";
export { type FileList, fileListOf } from "./files/list.ts";
export { partsOf } from "./parts.ts";
export { type Place, placeOf } from "./place.ts";
export type * from "./reason.ts";
export { Sealer } from "./sealer.ts";
export { ExplainTable, type StepRecord } from "./table.ts";
export { type TextOptions, reasonText } from "./text.ts";
