import type { Digest } from "../core/index.ts";
import type { Edge, Vertex } from "../llb/index.ts";
import type { SolverEdge, SolverVertex } from "../solver/index.ts";
import type { OpDeps } from "./ops/deps.ts";
import { solverOp } from "./ops/index.ts";
import type { Result } from "./ops/result.ts";

/**
 * The solver's view of a graph: each vertex with the work that makes its result. Equal vertices are made once. `steps` are
 * the digests of all vertices, each after those it needs.
 */
export function solverGraph(edges: readonly Edge[], deps: OpDeps): { edges: SolverEdge<Result>[]; steps: Digest[] } {
  const made = new Map<Digest, SolverVertex<Result>>();
  const convert = (vertex: Vertex): SolverVertex<Result> => {
    const known = made.get(vertex.digest);
    if (known !== undefined) return known;
    const { exportCache, ignoreCache } = vertex.metadata;
    const result: SolverVertex<Result> = {
      digest: vertex.digest,
      name: vertexName(vertex),
      inputs: vertex.inputs.map(({ vertex: input, output }) => ({ vertex: convert(input), output })),
      op: solverOp(vertex, deps),
      ignoreCache,
      ...(exportCache === undefined ? {} : { exportCache }),
    };
    made.set(vertex.digest, result);
    return result;
  };
  const converted = edges.map(({ vertex, output }) => ({ vertex: convert(vertex), output }));
  return { edges: converted, steps: [...made.keys()] };
}

/** What progress calls a vertex: the name its author gave it, else what it does. */
export function vertexName(vertex: Vertex): string {
  const given = vertex.metadata.description.get("llb.customname");
  if (given !== undefined && given !== "") return given;
  const { op } = vertex;
  switch (op.kind) {
    case "source":
      return op.identifier;
    case "exec":
      return op.meta.args.join(" ");
    case "file":
      return op.actions
        .map((action) => (action.kind === "copy" ? `copy ${action.src} ${action.dest}` : action.kind))
        .join(", ");
    case "merge":
    case "diff":
    case "build":
    case "passthrough":
      return op.kind;
  }
}
