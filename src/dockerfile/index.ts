export { ExpansionBudget } from "./budget.ts";
export { csvFields } from "./csv.ts";
export { detectSyntax, directive, type Directive } from "./directives.ts";
export {
  type EscapeToken,
  expand,
  type Expansion,
  type ExpandOptions,
  NO_VARIABLES,
  type Variables,
} from "./expand.ts";
export * from "./expand-instruction.ts";
export { atRange, fault, hasPlace, located, withPlace } from "./fault.ts";
export { chompHeredoc, type HeredocHead, tryHeredocHead } from "./heredoc.ts";
export * from "./ignore-choice.ts";
export type * from "./instruction.ts";
export { JSON_HINT, looksLikeJson } from "./json-form.ts";
export * from "./lint.ts";
export * from "./lint-rules.ts";
export * from "./parse.ts";
export { parseMount } from "./parse-mount.ts";
export { parseBinarySize, parseBool, parseDuration } from "./quantity.ts";
export * from "./source.ts";
export { didYouMean, suggestion } from "./suggest.ts";
