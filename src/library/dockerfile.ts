/** The entry point `varve/dockerfile`: parsing, linting and expanding Dockerfiles. */
export * from "./vocabulary.ts";
export type * from "./dockerfile-types.ts";
export {
  DEFAULT_LINT,
  type ExpandOptions,
  type Expanders,
  type Expansion,
  LINT_RULES,
  type LintRule,
  type Variables,
  expand,
  expandInstruction,
  parseDockerfile,
  parseLintOptions,
  snippet,
} from "../dockerfile/index.ts";
