import type { Filesystem } from "./filesystem.ts";
import { EMPTY, type Edge } from "./op.ts";

/** Numbers the inputs of an op in the order in which they are first asked for: equal ones share a number. */
export class Inputs {
  readonly edges: Edge[] = [];

  /** `EMPTY` for scratch. */
  number(source: Filesystem | undefined): number {
    const edge = source?.edge;
    if (edge === undefined) return EMPTY;
    const known = this.edges.findIndex(
      ({ vertex, output }) => vertex.digest === edge.vertex.digest && output === edge.output,
    );
    return known >= 0 ? known : this.edges.push(edge) - 1;
  }
}
