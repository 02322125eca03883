import {
  type AddInstruction,
  type Instruction,
  type Stage,
  expand,
  fault,
  isHttpSource,
  parseGitRef,
} from "../../dockerfile/index.ts";
import type { State } from "../../llb/index.ts";
import type { CompileContext } from "../compile-context.ts";
import { addedFile, addedRepository } from "../dispatch/added-sources.ts";
import { withLocation } from "../error-location.ts";

const STAGE = "SOURCE_DATE_EPOCH stage";

/**
 * Returns the source of a stage that does nothing but add one repository or download to scratch.
 *
 * @throws {VarveError} `invalid-build` with the location of the stage for any other stage.
 */
export function stageSource(stage: Stage, context: CompileContext): State {
  return withLocation(context.file.source, stage.range, () => readStage(stage, context));
}

function readStage(stage: Stage, { file, globals, buildArgs }: CompileContext): State {
  const values = new Map(globals.values);
  values.delete("SOURCE_DATE_EPOCH");
  const word = (text: string): string => expand(text, values, file).text;
  if (word(stage.base) !== "scratch") throw fault(`${STAGE} must use FROM scratch`);
  const sources: State[] = [];
  for (const instruction of stage.instructions) {
    if (instruction.kind === "arg") declare(instruction, values, buildArgs, word);
    else if (instruction.kind === "add") sources.push(addSource(instruction, word));
    else
      throw fault(
        `${STAGE} does not meet source-only requirements: unsupported ${instruction.kind.toUpperCase()} instruction`,
      );
  }
  const [source, ...more] = sources;
  if (source === undefined || more.length > 0) throw fault(`${STAGE} must contain exactly one remote ADD`);
  return source;
}

/** Adds the arguments of an ARG to the variables. */
function declare(
  { args }: Instruction & { readonly kind: "arg" },
  values: Map<string, string>,
  buildArgs: ReadonlyMap<string, string>,
  word: (text: string) => string,
): void {
  for (const { key, value } of args) {
    const given = buildArgs.get(key) ?? (value === undefined ? undefined : word(value));
    if (given !== undefined) values.set(key, given);
  }
}

function addSource(instruction: AddInstruction, word: (text: string) => string): State {
  const [given, ...more] = instruction.sources;
  if (given === undefined || more.length > 0 || instruction.inline.length > 0)
    throw fault(`${STAGE} must contain exactly one remote ADD source`);
  const source = word(given);
  const expanded = { ...instruction, checksum: word(instruction.checksum) };
  const ref = parseGitRef(source);
  if (ref !== undefined) return addedRepository(expanded, ref, source);
  if (isHttpSource(source)) return addedFile(expanded, source, source).state;
  throw fault(`${STAGE} source must be a single HTTP(S) or Git ADD`);
}
