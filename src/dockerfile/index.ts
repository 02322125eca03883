export { ExpansionBudget } from "./expand/budget.ts";
export { csvFields } from "./parse/csv.ts";
export { detectSyntax, directive, type Directive } from "./parse/directives.ts";
export {
  type EscapeToken,
  expand,
  type Expansion,
  type ExpandOptions,
  NO_VARIABLES,
  type Variables,
} from "./expand/expand.ts";
export * from "./expand/expand-instruction.ts";
export { atRange, fault, hasPlace, located, withPlace } from "./source/fault.ts";
export { chompHeredoc, type HeredocHead, tryHeredocHead } from "./parse/heredoc.ts";
export * from "./parse/ignore-choice.ts";
export type * from "./parse/instruction.ts";
export { JSON_HINT, looksLikeJson } from "./parse/json-form.ts";
export * from "./lint/lint.ts";
export * from "./lint/rules.ts";
export * from "./parse/parse.ts";
export { parseMount } from "./parse/parse-mount.ts";
export { parseBinarySize, parseBool, parseDuration } from "./parse/quantity.ts";
export * from "./source/source.ts";
export { didYouMean, suggestion } from "./parse/suggest.ts";
