export { ExpansionBudget } from "./expand/budget.ts";
export { csvFields } from "./parse/csv.ts";
export { type Directive, type Syntax, detectSyntax, directive, syntaxOf } from "./parse/directives.ts";
export {
  type EscapeToken,
  type ExpandOptions,
  type Expansion,
  NO_VARIABLES,
  type Variables,
  expand,
} from "./expand/expand.ts";
export * from "./expand/expand-instruction.ts";
export { fault, hasLocation, located, locatedError } from "./source/fault.ts";
export { type HeredocHead, chompHeredoc, tryHeredocHead } from "./parse/heredoc.ts";
export * from "./parse/ignore-choice.ts";
export type * from "./parse/instruction.ts";
export { JSON_HINT, looksLikeJson } from "./parse/json-form.ts";
export * from "./lint/lint.ts";
export * from "./lint/rules.ts";
export * from "./parse/parse.ts";
export { parseMount } from "./parse/parse-mount.ts";
export { type LinePosition, type LineRange, lineRanges } from "./source/line-ranges.ts";
export * from "./source/source.ts";
export { didYouMean, suggestion } from "./parse/suggest.ts";
export { exposedPorts } from "./values/expose.ts";
export { type GitRef, isGitSource, isHttpSource, parseGitRef } from "./values/git-ref.ts";
export { checkSignal } from "./values/stop-signal.ts";
export { checkVariables } from "./values/variables.ts";
