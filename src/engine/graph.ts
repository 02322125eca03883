import { type Digest, VarveError } from "../core/index.ts";
import { type Edge, type Vertex, vertexName, walkVertices } from "../llb/index.ts";
import type { SolverEdge, SolverVertex } from "../solver/index.ts";
import type { OpDeps } from "./ops/deps.ts";
import { solverOp } from "./ops/index.ts";
import { policyVariant } from "./ops/step-policy.ts";
import type { Result } from "./ops/result.ts";
import type { AnnouncedVertex } from "./progress/progress.ts";

/**
 * Converts graphs, one for each edge, to vertices of the solver. Equal vertices of a graph are one vertex. The solver shares equal
 * vertices of different graphs. Only the ops of vertices whose files no other one reads get `deps.blobs`; those whose layers are merged onto others do not get
 * `deps.layersAbove`. `vertices` has all vertices; each one follows those that it depends on.
 */
export function solverGraph(
  edges: readonly Edge[],
  deps: OpDeps,
): { edges: SolverEdge<Result>[]; vertices: AnnouncedVertex[] } {
  const walked = edges.map(({ vertex }) => walkVertices([vertex]));
  const { blobs, ...others } = deps;
  const read = blobs === undefined ? undefined : new Set(walked.flatMap((vertices) => [...readVertices(vertices)]));
  const merged = new Set(walked.flatMap(mergedVertices));
  const above = { layersAbove: walked.flat().length };
  const depsOf = ({ digest }: Vertex): OpDeps => {
    const own = read?.has(digest) === false ? deps : others;
    return merged.has(digest) ? own : { ...own, ...above };
  };
  const graphs = walked.map((vertices) => solverVertices(vertices, depsOf));
  const tops = edges.map(({ vertex, output }, index) => ({ vertex: madeOf(graphs[index], vertex), output }));
  return { edges: tops, vertices: walked.flat().map(announced) };
}

function announced(vertex: Vertex): AnnouncedVertex {
  const { digest, inputs, metadata } = vertex;
  const { progressGroup } = metadata;
  return {
    digest,
    name: vertexName(vertex),
    inputs: inputs.map((input) => input.vertex.digest),
    ...(progressGroup === undefined ? {} : { progressGroup }),
  };
}

/** Returns the vertices whose files other vertices of a graph read. A merge reads no files, unless its own are read. */
function readVertices(vertices: readonly Vertex[]): Set<Digest> {
  const read = new Set<Digest>();
  for (const { op, digest, inputs } of vertices.toReversed()) {
    if (op.kind === "merge" && !read.has(digest)) continue;
    for (const { vertex } of inputs) read.add(vertex.digest);
  }
  return read;
}

/** Returns the vertices whose layers a merge puts on top of others. */
function mergedVertices(vertices: readonly Vertex[]): Digest[] {
  const upper = vertices.flatMap(({ op, inputs }) => (op.kind === "merge" ? inputs.slice(1) : []));
  return upper.map(({ vertex }) => vertex.digest);
}

type Made = ReadonlyMap<Digest, SolverVertex<Result>>;

function solverVertices(vertices: readonly Vertex[], depsOf: (vertex: Vertex) => OpDeps): Made {
  const made = new Map<Digest, SolverVertex<Result>>();
  for (const vertex of vertices) {
    const { exportCache, ignoreCache, policy } = vertex.metadata;
    const own = depsOf(vertex);
    const variant = [policy && policyVariant(policy, own), proxyVariant(vertex, own)].filter(Boolean).join(" ");
    made.set(vertex.digest, {
      digest: vertex.digest,
      name: vertexName(vertex),
      inputs: vertex.inputs.map(({ vertex: input, output }) => ({ vertex: madeOf(made, input), output })),
      op: solverOp(vertex, own),
      ignoreCache: ignoreCache || policy?.never === true,
      exportCache,
      ...(policy === undefined ? {} : { maxAge: policy.ttl?.ms }),
      ...(variant === "" ? {} : { variant }),
    });
  }
  return made;
}

/** Returns what tells a step with a proxy of this build from equal ones of other builds: each judges and records by itself. */
function proxyVariant({ op }: Vertex, { proxy, build }: OpDeps): string | undefined {
  return op.kind === "exec" && op.network !== "none" && proxy !== undefined ? `proxy ${build}` : undefined;
}

function madeOf(made: Made | undefined, { digest }: Vertex): SolverVertex<Result> {
  const vertex = made?.get(digest);
  if (vertex === undefined)
    throw new VarveError("internal", `Cannot solve a graph: vertex ${digest} is used before it is defined`);
  return vertex;
}
