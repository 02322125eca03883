import type { Workshop } from "./edge/active-vertex.ts";
import type { CacheManager } from "./cache/cache-manager.ts";
import { EdgeIndex } from "./edge/edge-index.ts";
import { Graph } from "./edge/graph.ts";
import { type SolveOptions, type SolveResult, SolverJob } from "./job.ts";
import { type SlotLimits, Slots } from "./edge/slots.ts";
import { StepQueue } from "./edge/step-queue.ts";
import type { SolverEdge } from "./vertex.ts";

export interface SolverOptions<R> {
  /** The solver's own cache: asked first, and where results are saved. */
  readonly cache: CacheManager<R>;
  readonly limits?: SlotLimits | undefined;
  /**
   * Says of an error thrown while a result was read (by `content`, `preload` or `execute`) which results cannot be read, or
   * undefined if that is not what happened. If one of them came from a cache it is forgotten there, the next candidate is
   * tried, and if there is none the vertex is executed.
   */
  readonly unreadable?: (error: unknown) => ((result: R) => boolean) | undefined;
}

/** Solves edges of vertex graphs. Solves that run at once in one solver share the work they have in common. */
export class Solver<R> {
  readonly #workshop: Workshop<R>;
  readonly #graph: Graph<R>;

  constructor({ cache, limits, unreadable }: SolverOptions<R>) {
    this.#workshop = {
      main: cache,
      slots: new Slots(limits),
      queue: new StepQueue(),
      index: new EdgeIndex(),
      unreadable: unreadable ?? ((): undefined => undefined),
    };
    this.#graph = new Graph(this.#workshop);
  }

  /** How many vertices are at work. */
  get activeVertices(): number {
    return this.#graph.size;
  }

  /** Begins a job: several solves that keep what they share until it is disposed of. */
  open(options: SolveOptions<R> = {}): SolverJob<R> {
    return new SolverJob(this.#graph, this.#workshop.queue, options);
  }

  /** Solves edges in a job of their own. */
  async solve(edges: readonly SolverEdge<R>[], options: SolveOptions<R> = {}): Promise<SolveResult<R>[]> {
    await using job = this.open(options);
    const results = await job.solve(edges);
    job.finish();
    return results;
  }
}
