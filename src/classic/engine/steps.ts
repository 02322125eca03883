import type { Digest } from "../../core/index.ts";
import type { Dockerfile, SourceRange, Stage } from "../../dockerfile/index.ts";
import type { Command } from "../builder/step/step.ts";

/** One step of a build as the classic builder counts them, with the vertices that the engine executes for it. */
export interface EngineStep {
  /** The instruction as one line. */
  readonly text: string;
  /** What the instruction is. The steps of labels that the request adds are `label-request`; those of other languages are `vertex`. */
  readonly kind: Command["kind"] | "from" | "vertex";
  readonly vertices: ReadonlySet<Digest>;
}

/** The Dockerfile lines of each vertex of a compiled Dockerfile. */
export type VertexRanges = ReadonlyMap<Digest, readonly SourceRange[]>;

interface StepsOptions {
  readonly target: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
}

/**
 * Returns the steps of a build, in the order of the file: the arguments before the first stage, then the stages that the target
 * needs.
 */
export function engineSteps(file: Dockerfile, ranges: VertexRanges, { target, labels }: StepsOptions): EngineStep[] {
  const byLine = verticesByLine(ranges);
  const stepOf = ({ kind, code, range }: Pick<Stage, "code" | "range"> & Pick<EngineStep, "kind">): EngineStep => ({
    kind,
    text: code,
    vertices: byLine.get(range.start.line) ?? NONE,
  });
  const last = targetIndex(file, target);
  const stages = file.stages.map((stage) => [stepOf(stage), ...stage.instructions.map(stepOf)]);
  const needed = neededStages(file, last, (index) => (stages[index] ?? []).some(({ vertices }) => vertices.size > 0));
  const sorted = [...labels].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...file.globalArgs.map(stepOf),
    ...stages.flatMap((steps, index) => (needed.has(index) ? steps : [])),
    ...sorted.map(([key, value]) => ({
      kind: "label-request" as const,
      text: `LABEL ${key}=${value}`,
      vertices: NONE,
    })),
  ];
}

const NONE: ReadonlySet<Digest> = new Set();

function verticesByLine(ranges: VertexRanges): ReadonlyMap<number, ReadonlySet<Digest>> {
  const found = new Map<number, Set<Digest>>();
  for (const [digest, each] of ranges)
    for (const { start } of each) found.set(start.line, (found.get(start.line) ?? new Set()).add(digest));
  return found;
}

function targetIndex({ stages }: Dockerfile, target: string | undefined): number {
  const index = stages.findLastIndex(({ name }) => name !== "" && name === target?.toLowerCase());
  return index < 0 ? stages.length - 1 : index;
}

/** Returns the indexes of the target, of stages with vertices, and of the stages that these name in FROM, COPY and RUN. */
function neededStages(
  { stages }: Dockerfile,
  target: number,
  hasVertices: (index: number) => boolean,
): ReadonlySet<number> {
  const needed = new Set<number>();
  for (let index = target; index >= 0; index -= 1) {
    const stage = stages[index];
    if (stage === undefined || (index !== target && !needed.has(index) && !hasVertices(index))) continue;
    needed.add(index);
    for (const name of namesIn(stage)) needed.add(stageIndex(stages.slice(0, index), name));
  }
  return needed;
}

function namesIn({ base, instructions }: Stage): readonly string[] {
  const from = instructions.flatMap((each) => {
    if (each.kind === "copy") return [each.from];
    return each.kind === "run" ? each.mounts.map((mount) => mount.from) : [];
  });
  return [base, ...from];
}

/** Returns the index of the stage with a name or a number; -1 if there is none. */
function stageIndex(stages: readonly Stage[], text: string): number {
  const name = text.toLowerCase();
  const index = stages.findLastIndex((stage) => stage.name !== "" && stage.name === name);
  return index < 0 && /^\d{1,4}$/.test(name) && Number(name) < stages.length ? Number(name) : index;
}
