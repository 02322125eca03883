import { printable } from "../printable.ts";
import { Lines } from "./lines.ts";
import type { VertexView } from "./vertices.ts";

/** Number of last lines that are kept of each step, to show them if it fails. */
const KEPT = 40;

interface Output {
  readonly lines: Lines;
  readonly tail: string[];
  /** Start time of the incomplete line, or end time of the last line, in ms since the epoch. */
  begun: number;
}

/** A line that is safe for a terminal. `at` is its start time in ms since the epoch. */
export interface OutputLine {
  readonly text: string;
  readonly at: number;
}

/** Collects the output of a build's steps as lines that are safe for a terminal. */
export class StepOutput {
  readonly #outputs = new Map<number, Output>();

  /** Adds a chunk of output that was printed at time `at`. Returns the lines that it completes. */
  push({ number }: VertexView, data: Uint8Array, at: number): OutputLine[] {
    const output: Output = this.#outputs.get(number) ?? { lines: new Lines(), tail: [], begun: at };
    this.#outputs.set(number, output);
    const begun = output.lines.isPartial ? output.begun : at;
    const lines = keep(output, output.lines.push(data));
    output.begun = lines.length === 0 ? begun : at;
    return lines.map((text, index) => ({ text, at: index === 0 ? begun : at }));
  }

  /** Ends the output of a step. Returns its last line if it has no newline. */
  end({ number }: VertexView): OutputLine[] {
    const output = this.#outputs.get(number);
    if (output === undefined) return [];
    return keep(output, output.lines.end()).map((text) => ({ text, at: output.begun }));
  }

  /** Returns the last lines of a step. */
  tail({ number }: VertexView): readonly string[] {
    return this.#outputs.get(number)?.tail ?? [];
  }

  /** Discards the output of a step. */
  drop({ number }: VertexView): void {
    this.#outputs.delete(number);
  }

  /** Returns the block that is shown for a failed step; empty if the step printed nothing. */
  failure(view: VertexView, name: string): string {
    const tail = this.tail(view);
    return tail.length === 0 ? "" : `------\n > ${name}:\n${tail.join("\n")}\n------\n`;
  }
}

function keep({ tail }: Output, lines: readonly string[]): string[] {
  const safe = lines.map(printable);
  tail.push(...safe.slice(-KEPT));
  tail.splice(0, Math.max(0, tail.length - KEPT));
  return safe;
}
