import { VarveError, digestOf } from "../../core/index.ts";
import { ActiveVertex, type Workshop } from "./active-vertex.ts";
import type { ActiveInput } from "./nodes.ts";
import type { Member } from "./member.ts";
import type { SolverVertex } from "../vertex.ts";

/** The vertices at work. Those of equal digest are one, whichever solve they came with. */
export class Graph<R> {
  readonly #workshop: Workshop<R>;
  readonly #vertices = new Map<string, ActiveVertex<R>>();

  constructor(workshop: Workshop<R>) {
    this.#workshop = workshop;
  }

  get size(): number {
    return this.#vertices.size;
  }

  /** Enters a vertex and all it is made from; adds them to `joined`. */
  join(member: Member<R>, top: SolverVertex<R>, joined: Set<ActiveVertex<R>>): ActiveVertex<R> {
    const done = new Map<SolverVertex<R>, ActiveVertex<R>>();
    for (const vertex of inputsFirst(top)) {
      const inputs = vertex.inputs.map(({ vertex: source, output }) => {
        checkOutput(source, output);
        return { vertex: done.get(source) as ActiveVertex<R>, output };
      });
      const active = this.#find(vertex, inputs);
      active.join(member);
      joined.add(active);
      done.set(vertex, active);
    }
    return done.get(top) as ActiveVertex<R>;
  }

  leave(member: Member<R>): void {
    for (const [identity, vertex] of this.#vertices) {
      vertex.leave(member);
      if (vertex.isWanted) continue;
      this.#vertices.delete(identity);
      for (const edge of vertex.edges) this.#workshop.index.remove(edge);
    }
  }

  /** Resolves when all work that was called off has ended. */
  async stopped(): Promise<void> {
    await Promise.all([...this.#vertices.values()].map((vertex) => vertex.stopped()));
  }

  /**
   * The vertex to share. One that ignores the cache is not served by one at work that does not: it goes by another name, and
   * so does what is made from it. One that does not may be served by either.
   */
  #find(vertex: SolverVertex<R>, inputs: readonly ActiveInput<R>[]): ActiveVertex<R> {
    const own = identityOf(vertex, inputs);
    const ignoring = `${own} ignoring the cache`;
    const fresh = this.#vertices.get(ignoring);
    if (fresh !== undefined) return fresh;
    const known = this.#vertices.get(own);
    if (known !== undefined && (known.ignoreCache || !vertex.ignoreCache)) return known;
    const identity = known === undefined ? own : ignoring;
    const active = new ActiveVertex(identity, vertex, inputs, this.#workshop);
    this.#vertices.set(identity, active);
    for (let output = 0; output < vertex.op.outputs; output += 1) active.edge(output);
    return active;
  }
}

function identityOf<R>(vertex: SolverVertex<R>, inputs: readonly ActiveInput<R>[]): string {
  const isPlain = inputs.every((input, index) => input.vertex.identity === vertex.inputs[index]?.vertex.digest);
  if (isPlain) return vertex.digest;
  return `${vertex.digest} on ${digestOf(JSON.stringify(inputs.map((input) => input.vertex.identity)))}`;
}

function checkOutput<R>(vertex: SolverVertex<R>, output: number): void {
  if (Number.isInteger(output) && output >= 0 && output < vertex.op.outputs) return;
  throw new VarveError("internal", `Cannot take output ${output} of ${vertex.name}: it has ${vertex.op.outputs}`);
}

/** Every vertex after those it takes its inputs from, without recursion: graphs may be deep. */
function* inputsFirst<R>(top: SolverVertex<R>): Generator<SolverVertex<R>> {
  const seen = new Set<SolverVertex<R>>();
  const done = new Set<SolverVertex<R>>();
  const open = [top];
  for (let vertex = open.at(-1); vertex !== undefined; vertex = open.at(-1)) {
    seen.add(vertex);
    const next = vertex.inputs.find((input) => !done.has(input.vertex))?.vertex;
    if (next !== undefined && seen.has(next))
      throw new VarveError("internal", `Cannot solve ${top.name}: ${next.name} is made from itself`);
    if (next !== undefined) open.push(next);
    else {
      open.pop();
      if (!done.has(vertex)) yield vertex;
      done.add(vertex);
    }
  }
}
