import type { Filesystem } from "../builder/filesystem.ts";
import { EMPTY, type Edge } from "./op.ts";

/** Numbers the inputs of an op in the order in which they are first asked for: equal ones share a number. */
export class Inputs {
  readonly edges: Edge[] = [];
  readonly #numbers = new Map<string, number>();

  /** `EMPTY` for scratch. */
  number(source: Filesystem | undefined): number {
    const edge = source?.edge;
    if (edge === undefined) return EMPTY;
    const name = `${edge.vertex.digest} ${edge.output}`;
    const number = this.#numbers.get(name) ?? this.edges.push(edge) - 1;
    this.#numbers.set(name, number);
    return number;
  }
}
