import { printable } from "../printable.ts";
import { Lines } from "./lines.ts";
import type { VertexView } from "./vertices.ts";

/** Lines that are kept of what each step prints, for when it fails. */
const KEPT = 40;

interface Output {
  readonly lines: Lines;
  readonly tail: string[];
  /** When the line that has no end yet began, or the last one ended. */
  begun: number;
}

/** A line that is safe to show. `at`: when it began, in milliseconds since 1970. */
export interface OutputLine {
  readonly text: string;
  readonly at: number;
}

/** What the steps of a build print, as lines that are safe to show. */
export class StepOutput {
  readonly #outputs = new Map<number, Output>();

  /** The lines that a piece of output completes, which came `at` that time. */
  push({ number }: VertexView, data: Uint8Array, at: number): OutputLine[] {
    const output: Output = this.#outputs.get(number) ?? { lines: new Lines(), tail: [], begun: at };
    this.#outputs.set(number, output);
    const begun = output.lines.isPartial ? output.begun : at;
    const lines = keep(output, output.lines.push(data));
    output.begun = lines.length === 0 ? begun : at;
    return lines.map((text, index) => ({ text, at: index === 0 ? begun : at }));
  }

  /** What a step has printed without a newline, once it has ended. */
  end({ number }: VertexView): OutputLine[] {
    const output = this.#outputs.get(number);
    if (output === undefined) return [];
    return keep(output, output.lines.end()).map((text) => ({ text, at: output.begun }));
  }

  /** The last lines of a step. */
  tail({ number }: VertexView): readonly string[] {
    return this.#outputs.get(number)?.tail ?? [];
  }

  /** Forgets a step that went well. */
  drop({ number }: VertexView): void {
    this.#outputs.delete(number);
  }

  /** The block that is shown for a step that failed; empty if it printed nothing. */
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
