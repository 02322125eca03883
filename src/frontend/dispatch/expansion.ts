import {
  expand,
  type ExpandOptions,
  type Instruction,
  type Linter,
  didYouMean,
  suggestion,
} from "../../dockerfile/index.ts";
import type { StageState } from "./stage-state.ts";

/** Arguments that do not become variables of a step. */
export const NON_ENV_ARGS: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

/** Number of warnings after which no more similar names are searched. */
const MAX_HINTS = 50;

function lintUnmatched(
  stage: StageState,
  instruction: Instruction,
  unmatched: ReadonlySet<string>,
  linter: Linter,
): void {
  if (!stage.isBaseKnown) return;
  for (const name of unmatched) {
    if (stage.buildArgs.has(name) || NON_ENV_ARGS.has(name)) continue;
    const found = linter.warnings.length < MAX_HINTS ? suggestion(name, stage.env.keys()) : undefined;
    const hint = didYouMean(found === undefined ? undefined : `$${found}`);
    linter.warn("UndefinedVar", instruction.range, `Usage of undefined variable '$${name}'${hint}`);
  }
}

/** Returns functions that expand text with a stage's present variables and warn about undefined ones. */
export function stageExpander(
  stage: StageState,
  instruction: Instruction,
  linter: Linter,
): { word: (text: string) => string; body: (text: string) => string; words: (text: string) => readonly string[] } {
  const run = (text: string, options: ExpandOptions): ReturnType<typeof expand> => {
    const expansion = expand(text, stage.env, options);
    lintUnmatched(stage, instruction, expansion.unmatched, linter);
    return expansion;
  };
  const { escape, budget } = stage.context.file;
  return {
    word: (text) => run(text, { escape, budget }).text,
    body: (text) => run(text, { escape: "\\", ignoreQuotes: true, budget }).text,
    words: (text) => expand(text, stage.env, { escape, budget }).words,
  };
}

/** Returns an instruction's text for progress: expanded if possible, and with its first word in upper case. */
export function shownCommand(
  text: string,
  env: { get(name: string): string | undefined },
  options: ExpandOptions,
): string {
  let shown = text;
  try {
    shown = expand(text, env, options).text;
  } catch {
    // The text uses shell syntax that is not supported here: show it as it is.
  }
  const space = shown.indexOf(" ");
  return space < 0 ? shown.toUpperCase() : shown.slice(0, space).toUpperCase() + shown.slice(space);
}
