import {
  DIRECTIVES,
  type DirectiveName,
  type StepPolicy,
  goQuote,
  mergePolicies,
  readPolicyDirective,
} from "../../core/index.ts";
import type { PolicyComment } from "./line-reader.ts";
import type { Linter } from "../lint/lint.ts";
import type { SourceRange } from "../source/source.ts";
import type { Statement } from "./statement.ts";
import { didYouMean, suggestionAnyCase } from "./suggest.ts";

/** The instructions that become steps, whose results are cached. */
const STEPS = new Set(["run", "copy", "add", "workdir"]);
/** The directives for RUN only. */
const OF_RUN: ReadonlySet<DirectiveName> = new Set<DirectiveName>(["cutoff", "traced"]);
const WORD = /[^\t ]+/g;

interface Word {
  readonly text: string;
  readonly range: SourceRange;
}

function wordsOf({ text, start: { line, column } }: PolicyComment): Word[] {
  return [...text.matchAll(WORD)].map(({ 0: word, index }) => ({
    text: word,
    range: { start: { line, column: column + index }, end: { line, column: column + index + word.length } },
  }));
}

/** Reads one directive. Warns if it is wrong, or if it has no effect above the instruction. */
function readWord({ text, range }: Word, keyword: string, linter: Linter): StepPolicy | undefined {
  const read = readPolicyDirective(text);
  const warn = (message: string): void => linter.warn("InvalidVarveDirective", range, message);
  if (read.kind === "unknown") {
    warn(`Unknown varve directive ${goQuote(read.name)}${didYouMean(suggestionAnyCase(read.name, DIRECTIVES))}`);
    return undefined;
  }
  if (read.kind === "invalid") {
    warn(`Invalid varve directive ${goQuote(text)}: ${read.reason}`);
    return undefined;
  }
  const isOfRun = OF_RUN.has(read.name);
  const isUsed = isOfRun ? keyword === "run" : STEPS.has(keyword);
  if (isUsed) return read.policy;
  const places = isOfRun ? "RUN" : "RUN, COPY, ADD and WORKDIR";
  warn(`varve directive ${goQuote(read.name)} has no effect above ${keyword.toUpperCase()}: it is for ${places}`);
  return undefined;
}

/**
 * Returns what the comments `# varve: …` above a statement say; undefined if they say nothing. A directive that is wrong has no
 * effect, and causes a warning of the check `InvalidVarveDirective`.
 */
export function readPolicy({ policies, keyword }: Statement, linter: Linter): StepPolicy | undefined {
  let policy: StepPolicy | undefined;
  for (const comment of policies) {
    const words = wordsOf(comment);
    if (words.length === 0) {
      const range = { start: comment.start, end: comment.start };
      linter.warn("InvalidVarveDirective", range, `Missing varve directive: expected one of ${DIRECTIVES.join(", ")}`);
    }
    for (const word of words) policy = mergePolicies(policy, readWord(word, keyword.toLowerCase(), linter));
  }
  return policy;
}
