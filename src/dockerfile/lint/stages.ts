import { goQuote } from "../../core/index.ts";
import type { Instruction, Stage } from "../parse/instruction.ts";
import type { Linter } from "./lint.ts";
import type { SourceRange } from "../source/source.ts";

const RESERVED = new Set(["context", "scratch"]);

function checkNames(stages: readonly Stage[], linter: Linter): void {
  const seen = new Set<string>();
  for (const { name, range } of stages) {
    if (name === "") continue;
    if (RESERVED.has(name))
      linter.warn(
        "ReservedStageName",
        range,
        `Stage name should not use the same name as reserved stage ${goQuote(name)}`,
      );
    if (seen.has(name))
      linter.warn("DuplicateStageName", range, `Duplicate stage name ${goQuote(name)}, stage names should be unique`);
    seen.add(name);
  }
}

interface Keyword {
  readonly keyword: string;
  readonly range: SourceRange;
}

function isLower(keyword: string): boolean {
  return keyword === keyword.toLowerCase();
}

function checkKeywordCase(stages: readonly Stage[], linter: Linter): void {
  const keywords: Keyword[] = stages.flatMap((stage): (Stage | Instruction)[] => [stage, ...stage.instructions]);
  const lower = keywords.filter(({ keyword }) => isLower(keyword)).length;
  const upper = keywords.filter(({ keyword }) => !isLower(keyword) && keyword === keyword.toUpperCase()).length;
  const majority = lower > upper ? "lowercase" : "uppercase";
  for (const { keyword, range } of keywords) {
    const matches = keyword === (majority === "lowercase" ? keyword.toLowerCase() : keyword.toUpperCase());
    if (matches) continue;
    const message = `Command '${keyword}' should match the case of the command majority (${majority})`;
    linter.warn("ConsistentInstructionCasing", range, message);
  }
}

/** Checks the names of stages and the case of keywords. */
export function lintStages(stages: readonly Stage[], linter: Linter): void {
  checkNames(stages, linter);
  checkKeywordCase(stages, linter);
}

/** Checks the case of `as` and of the stage's name in a FROM. */
export function lintFrom(keyword: string, args: readonly string[], range: SourceRange, linter: Linter): void {
  const [, as, name] = args;
  if (args.length === 3 && name !== undefined && name !== name.toLowerCase())
    linter.warn("StageNameCasing", range, `Stage name '${name}' should be lowercase`);
  if (as === undefined || name === undefined) return;
  const isUpper = keyword === keyword.toUpperCase();
  if (!isLower(keyword) && !isUpper) return;
  if (as !== (isLower(keyword) ? as.toLowerCase() : as.toUpperCase()))
    linter.warn("FromAsCasing", range, `'${as}' and '${keyword}' keywords' casing do not match`);
}

/** Checks that the comment above an ARG or a FROM begins with the name that the instruction defines. */
export function lintDescription(
  instruction: "ARG" | "FROM",
  names: readonly string[],
  { comments, range }: { readonly comments: readonly string[]; readonly range: SourceRange },
  linter: Linter,
): void {
  const [first] = names;
  const word = comments.at(-1)?.split(" ")[0];
  if (first === undefined || word === undefined || names.includes(word)) return;
  const example = names.length > 1 ? "<arg_key>" : first;
  const message = `Comment for ${instruction} should follow the format: \`# ${example} <description>\``;
  linter.warn("InvalidDefinitionDescription", range, message);
}
