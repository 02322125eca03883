import { printable } from "../printable.ts";
import { Lines } from "./lines.ts";
import type { VertexView } from "./vertices.ts";

/** Lines that are kept of what each step prints, for when it fails. */
const KEPT = 40;

interface Output {
  readonly lines: Lines;
  readonly tail: string[];
}

/** What the steps of a build print, as lines that are safe to show. */
export class StepOutput {
  readonly #outputs = new Map<number, Output>();

  /** The lines that a piece of output completes. */
  push({ number }: VertexView, data: Uint8Array): string[] {
    const output = this.#outputs.get(number) ?? { lines: new Lines(), tail: [] };
    this.#outputs.set(number, output);
    return keep(output, output.lines.push(data));
  }

  /** What a step has printed without a newline, once it has ended. */
  end({ number }: VertexView): string[] {
    const output = this.#outputs.get(number);
    return output === undefined ? [] : keep(output, output.lines.end());
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
