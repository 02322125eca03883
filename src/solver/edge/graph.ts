import { VarveError, digestOf } from "../../core/index.ts";
import { ActiveVertex, type SolverParts } from "./active-vertex.ts";
import type { InputSource } from "./nodes.ts";
import type { SharingJob } from "./sharing-job.ts";
import type { SolverVertex } from "../vertex.ts";

/** The vertices of all open jobs. Jobs with vertices of equal digest share one active vertex. */
export class Graph<R> {
  readonly #solver: SolverParts<R>;
  readonly #vertices = new Map<string, ActiveVertex<R>>();

  constructor(solver: SolverParts<R>) {
    this.#solver = solver;
  }

  get size(): number {
    return this.#vertices.size;
  }

  /** Adds a vertex and all its dependencies for a job. Also adds them to `joined`. Returns the active vertex. */
  join(job: SharingJob<R>, top: SolverVertex<R>, joined: Set<ActiveVertex<R>>): ActiveVertex<R> {
    const active = new Map<SolverVertex<R>, ActiveVertex<R>>();
    for (const vertex of inputsFirst(top)) {
      const inputs = vertex.inputs.map(({ vertex: source, output }) => {
        checkOutput(source, output);
        return { vertex: activeOf(active, source), output };
      });
      const found = this.#find(vertex, inputs);
      found.join(job, vertex.op);
      joined.add(found);
      active.set(vertex, found);
    }
    return activeOf(active, top);
  }

  /** Removes a job. Vertices that no other job shares are dropped. */
  leave(job: SharingJob<R>): void {
    for (const [identity, vertex] of this.#vertices) {
      vertex.leave(job);
      if (vertex.isWanted) continue;
      this.#vertices.delete(identity);
      for (const edge of vertex.edges) this.#solver.index.remove(edge);
    }
  }

  /** Resolves when all cancelled work has ended. */
  async stopped(): Promise<void> {
    await Promise.all([...this.#vertices.values()].map((vertex) => vertex.stopped()));
  }

  /**
   * Finds the active vertex to share, or adds one. A vertex that ignores the cache does not share an active one that uses it:
   * it gets another identity, and so do the vertices that depend on it. A vertex that uses the cache may share either.
   */
  #find(vertex: SolverVertex<R>, inputs: readonly InputSource<R>[]): ActiveVertex<R> {
    const plain = identityOf(vertex, inputs);
    const ignoring = `${plain} ignoring the cache`;
    const ignoringVertex = this.#vertices.get(ignoring);
    if (ignoringVertex !== undefined) return ignoringVertex;
    const known = this.#vertices.get(plain);
    if (known !== undefined && (known.ignoreCache || !vertex.ignoreCache)) return known;
    const identity = known === undefined ? plain : ignoring;
    const active = new ActiveVertex(identity, vertex, inputs, this.#solver);
    this.#vertices.set(identity, active);
    for (let output = 0; output < vertex.op.outputs; output += 1) active.edge(output);
    return active;
  }
}

function identityOf<R>(vertex: SolverVertex<R>, inputs: readonly InputSource<R>[]): string {
  const own = ownIdentity(vertex);
  const isPlain = inputs.every((input, index) => input.vertex.identity === vertex.inputs[index]?.vertex.digest);
  if (isPlain) return own;
  return `${own} on ${digestOf(JSON.stringify(inputs.map((input) => input.vertex.identity)))}`;
}

function ownIdentity<R>({ digest, variant }: SolverVertex<R>): string {
  return variant === undefined ? digest : `${digest} ${variant}`;
}

function checkOutput<R>(vertex: SolverVertex<R>, output: number): void {
  if (Number.isInteger(output) && output >= 0 && output < vertex.op.outputs) return;
  throw new VarveError("internal", `Cannot take output ${output} of ${vertex.name}: it has ${vertex.op.outputs}`);
}

function activeOf<R>(
  vertices: ReadonlyMap<SolverVertex<R>, ActiveVertex<R>>,
  vertex: SolverVertex<R>,
): ActiveVertex<R> {
  const active = vertices.get(vertex);
  if (active !== undefined) return active;
  throw new VarveError("internal", `Cannot solve ${vertex.name}: it was not added to the graph`);
}

/** Yields every vertex after its inputs. It does not recurse, because graphs may be deep. */
export function* inputsFirst<R>(top: SolverVertex<R>): Generator<SolverVertex<R>> {
  const opened = new Set<SolverVertex<R>>();
  const done = new Set<SolverVertex<R>>();
  const open = [top];
  for (let vertex = open.at(-1); vertex !== undefined; vertex = open.at(-1)) {
    opened.add(vertex);
    const next = vertex.inputs.find((input) => !done.has(input.vertex))?.vertex;
    if (next !== undefined && opened.has(next))
      throw new VarveError("internal", `Cannot solve ${top.name}: ${next.name} depends on itself`);
    if (next !== undefined) open.push(next);
    else {
      open.pop();
      if (!done.has(vertex)) yield vertex;
      done.add(vertex);
    }
  }
}
