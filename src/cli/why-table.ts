import { seconds } from "./progress/vertices.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";

/** A step, as the report of a build or the store's record of it has it. */
export interface ToldStep {
  readonly name: string;
  readonly status: string;
  /** The cache of a hit. */
  readonly cache: string | null;
  /** Milliseconds. */
  readonly ms: number;
  readonly why?: { readonly text: string; readonly full: string } | undefined;
}

/** Maximum characters of a step's name in the table. */
const WIDTH = 60;

/** Returns a table of the steps of a build: what became of each one, the time that it took, and why it was not cached. */
export function whyTable(steps: readonly ToldStep[]): string {
  return table(
    shown(steps).map((step) => ({
      STEP: step.name.length > WIDTH ? `${step.name.slice(0, WIDTH - 1)}…` : step.name,
      OUTCOME: outcomeOf(step),
      TIME: step.status === "hit" ? "" : `${seconds(step.ms)}s`,
      WHY: step.why === undefined ? "" : step.why.text || step.why.full,
    })),
  );
}

/** Returns every step that was not cached, with all that differs, one change a line. */
export function whyList(steps: readonly ToldStep[]): string {
  const missed = shown(steps).filter(({ why }) => why !== undefined);
  const blocks = missed.map(({ name, why, ms, ...step }) => {
    const lines = (why?.full ?? "").split("\n").map((line) => `  ${line}\n`);
    return printable(`${name} (${outcomeOf({ name, ms, ...step })}, ${seconds(ms)}s)\n${lines.join("")}`);
  });
  return blocks.join("\n");
}

function shown(steps: readonly ToldStep[]): ToldStep[] {
  return steps.filter(({ status }) => status !== "skipped");
}

function outcomeOf({ status, cache }: ToldStep): string {
  if (status === "hit") return cache === null || cache === "local" ? "cached" : `cached (${cache})`;
  return status === "run" ? "ran" : status;
}
