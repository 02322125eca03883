import { type Dockerfile, type Stage, parseDockerfile } from "../../dockerfile/index.ts";
import { failure } from "./failure.ts";
import type { StagePlan } from "./stage.ts";
import type { BuildRequest } from "./types.ts";

/** A parsed Dockerfile, with the stages to build. */
export interface BuildPlan {
  readonly file: Dockerfile;
  /** The stages up to the target. */
  readonly stages: readonly StagePlan[];
  /** Total number of steps: arguments before the first stage, FROMs, instructions, and the request's labels. */
  readonly total: number;
  /** The text of each instruction that contains empty lines. */
  readonly emptyContinuations: readonly string[];
}

/** Parses a Dockerfile for the classic builder. Throws the daemon's errors, with status 400. */
export function planBuild(text: Uint8Array, request: BuildRequest): BuildPlan {
  const file = parse(text, request.dockerfile);
  const kept = upTo(file.stages, request.target);
  const labels = [...request.labels].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const labelCommands = labels.map(([key, value]) => ({
    kind: "label-request" as const,
    code: `LABEL ${key}=${value}`,
    key,
    value,
  }));
  const stages = kept.map((stage, index) => ({
    stage,
    commands: index === kept.length - 1 ? [...stage.instructions, ...labelCommands] : stage.instructions,
  }));
  const commands = stages.reduce((sum, stage) => sum + stage.commands.length + 1, 0);
  return { file, stages, total: file.globalArgs.length + commands, emptyContinuations: emptyContinuations(file) };
}

/** Parses the text. Two of the daemon's errors differ from BuildKit's. */
function parse(text: Uint8Array, name: string): Dockerfile {
  try {
    return parseDockerfile(text, { name });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.message === "file with no instructions")
      throw failure(400, `failed to parse Dockerfile: ${error.message}`, error);
    if (error.message.endsWith(NO_STAGE)) throw failure(400, NO_STAGE, error);
    throw error;
  }
}

const NO_STAGE = "no build stage in current context";

function upTo(stages: readonly Stage[], target: string | undefined): readonly Stage[] {
  if (target === undefined) return stages;
  const index = stages.findIndex(({ name }) => name !== "" && name === target.toLowerCase());
  if (index < 0) throw failure(400, `target stage ${JSON.stringify(target)} could not be found`);
  return stages.slice(0, index + 1);
}

function emptyContinuations({ linter, stages }: Dockerfile): readonly string[] {
  const all: readonly Pick<Stage, "range" | "code">[] = stages.flatMap((stage) => [stage, ...stage.instructions]);
  return linter.warnings
    .filter(({ rule }) => rule === "NoEmptyContinuation")
    .map(({ range }) => all.find((each) => each.range.end.line === range.end.line)?.code ?? "");
}
