import { Limits, VarveError } from "../../core/index.ts";
import { ExpansionBudget } from "../expand/budget.ts";
import { directive } from "./directives.ts";
import type { EscapeToken } from "../expand/expand.ts";
import { atRange, fault, located } from "../source/fault.ts";
import type { ArgInstruction, Instruction, Stage } from "./instruction.ts";
import { LineReader, type LogicalLine } from "./line-reader.ts";
import { Linter, type LintOptions, type LintWarning, parseLintOptions } from "../lint/lint.ts";
import { lintStages } from "../lint/stages.ts";
import { parseInstruction } from "./parse-instruction.ts";
import { type SourceFile, lineRange, sourceFile } from "../source/source.ts";
import { errorPrefix, nextStatement, noInstructions, rangeOf, type Statement } from "./statement.ts";

export interface ParseOptions {
  /** Name of the file in messages. The default is `Dockerfile`. */
  readonly name?: string | undefined;
  /** Options of the checks. The default is the file's `check` directive. */
  readonly lint?: LintOptions | undefined;
  /** Receives the warnings of the checks, including those found before an error. */
  readonly warnings?: LintWarning[] | undefined;
}

/** A parsed Dockerfile. Variables are not expanded. */
export interface Dockerfile {
  readonly source: SourceFile;
  readonly escape: EscapeToken;
  /** The value of `# syntax=`. */
  readonly syntax?: string | undefined;
  /** The ARGs before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  /** The stages, at least one. */
  readonly stages: readonly Stage[];
  /** Contains the warnings so far. The compiler adds its own. */
  readonly linter: Linter;
  /** Limits the cost of expanding the file's variables. */
  readonly budget: ExpansionBudget;
}

type Parsed = ReturnType<typeof parseInstruction>;
type OpenStage = Omit<Stage, "instructions"> & { readonly instructions: Instruction[] };

/** Maximum number of instructions and heredocs. Each heredoc file becomes a vertex of its own. */
const MAX_INSTRUCTIONS = 10_000;
const MAX_STAGES = 1_000;
/** Maximum number of arguments in all ARGs. Each one may be a variable of every step. */
const MAX_ARGS = 10_000;

function sizeOf(text: string | Uint8Array): number {
  return typeof text === "string" ? Buffer.byteLength(text) : text.byteLength;
}

function readSource(text: string | Uint8Array, name: string): SourceFile {
  const size = sizeOf(text);
  if (size > Limits.dockerfile)
    throw new VarveError("limit-exceeded", `Cannot read ${name}: it is larger than ${Limits.dockerfile} bytes`);
  if (size === 0) throw new VarveError("invalid-build", `Cannot read ${name}: the Dockerfile cannot be empty`);
  return sourceFile(name, typeof text === "string" ? text : Buffer.from(text).toString("utf8"));
}

function lintOptions(source: SourceFile): LintOptions | undefined {
  const check = directive("check", source);
  if (check === undefined) return undefined;
  return located(source, check.range, "failed to parse check options: ", () => parseLintOptions(check.value));
}

interface Read {
  readonly statement: Statement;
  readonly line: LogicalLine;
}

/** Splits a whole file into statements. Errors have locations. */
function readStatements(reader: LineReader, linter: Linter): Read[] {
  const found: Read[] = [];
  let count = 0;
  for (let next = nextStatement(reader); next !== undefined; next = nextStatement(reader)) {
    found.push(next);
    count += 1 + next.statement.heredocs.length;
    if (count > MAX_INSTRUCTIONS)
      throw new VarveError(
        "limit-exceeded",
        `Cannot read ${reader.file.name}: more than ${MAX_INSTRUCTIONS} instructions`,
      );
    const { emptyContinuation } = next.line;
    if (emptyContinuation !== undefined)
      linter.warn("NoEmptyContinuation", emptyContinuation, "Empty continuation line");
  }
  return found;
}

function readInstruction({ statement, line }: Read, file: SourceFile, linter: Linter): Parsed {
  try {
    return parseInstruction(statement, linter);
  } catch (error) {
    throw atRange(error, file, rangeOf(line, error), errorPrefix(line.range));
  }
}

class Builder {
  readonly globalArgs: ArgInstruction[] = [];
  readonly stages: OpenStage[] = [];
  #args = 0;

  add(parsed: Parsed): void {
    const stage = this.stages.at(-1);
    if (parsed.kind === "arg") this.#count(parsed);
    if (parsed.kind === "from") this.stages.push({ ...parsed, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(parsed);
    else if (parsed.kind === "arg") this.globalArgs.push(parsed);
    else throw fault("no build stage in current context");
  }

  #count({ args }: ArgInstruction): void {
    this.#args += args.length;
    if (this.#args > MAX_ARGS)
      throw new VarveError("limit-exceeded", `Cannot read the Dockerfile: it declares more than ${MAX_ARGS} arguments`);
  }
}

/**
 * Parses a Dockerfile, with the semantics of BuildKit's parser. Like BuildKit, splits the whole file into statements before it
 * parses the first one, so that errors in splitting are reported first. Runs the checks that need no variables; `linter`
 * contains their warnings.
 *
 * @throws {VarveError} `invalid-build`, with `details.location` and `details.snippet`; `limit-exceeded` for a file that is too
 * large
 *
 * @example
 * const file = parseDockerfile("FROM alpine\nRUN make\n");
 * file.stages[0]?.instructions[0]?.kind; // "run"
 */
export function parseDockerfile(text: string | Uint8Array, options: ParseOptions = {}): Dockerfile {
  const source = readSource(text, options.name ?? "Dockerfile");
  const linter = new Linter(options.lint ?? lintOptions(source), options.warnings);
  const reader = new LineReader(source);
  const builder = new Builder();
  const statements = readStatements(reader, linter);
  for (const each of statements) {
    const parsed = readInstruction(each, source, linter);
    located(source, parsed.range, "", () => builder.add(parsed));
  }
  if (statements.length === 0) throw noInstructions(source);
  const { stages, globalArgs } = builder;
  if (stages.length > MAX_STAGES)
    throw new VarveError("limit-exceeded", `Cannot read ${source.name}: more than ${MAX_STAGES} stages`);
  if (stages.length === 0)
    throw atRange(fault("dockerfile contains no stages to build"), source, lineRange(source, source.lines.length));
  lintStages(stages, linter);
  const syntax = reader.directives.get("syntax");
  const budget = new ExpansionBudget();
  return {
    source,
    escape: reader.escape,
    globalArgs,
    stages,
    linter,
    budget,
    syntax,
  };
}

/**
 * Parses one instruction: the trigger of an ONBUILD.
 * @throws {VarveError} `invalid-build` for anything but exactly one instruction, and for FROM
 */
export function parseTrigger(text: string): Instruction {
  const source = sourceFile("ONBUILD", text);
  const reader = new LineReader(source);
  const linter = new Linter();
  const [only, ...more] = readStatements(reader, linter);
  const parsed = only === undefined || more.length > 0 ? undefined : readInstruction(only, source, linter);
  if (parsed === undefined || parsed.kind === "from") throw fault("onbuild trigger should be a single expression");
  return parsed;
}
