import type { PlanOptions, PlannedEdge } from "./plan/planned.ts";
import type { SolverParts } from "./edge/active-vertex.ts";
import { CombinedCache } from "./cache/combined-cache.ts";
import type { CacheManager } from "./cache/cache-manager.ts";
import { EdgeIndex } from "./edge/edge-index.ts";
import { Graph } from "./edge/graph.ts";
import { type SolveOptions, type SolveResult, SolverJob } from "./job.ts";
import { type SlotLimits, Slots } from "./edge/slots.ts";
import { StepQueue } from "./edge/step-queue.ts";
import type { SolverEdge } from "./vertex.ts";

export interface SolverOptions<R> {
  /** The solver's own cache. It is asked first, and results are saved in it. */
  readonly cache: CacheManager<R>;
  readonly limits?: SlotLimits | undefined;
  /**
   * Decides whether an error of `content`, `preload` or `execute` means that results cannot be read. Returns a predicate that
   * selects those results, or undefined if the error has another cause. The solver removes an unreadable cached result from
   * its cache, tries the next candidate, and executes the vertex if there is none.
   */
  readonly unreadable?: (error: unknown) => ((result: R) => boolean) | undefined;
  /**
   * Decides whether an error of an op may concern only the job that the op belongs to. If another job shares the vertex, its op then does
   * the work again. Default: no error does, but those of cancelled jobs.
   */
  readonly isPersonal?: ((error: unknown) => boolean) | undefined;
}

/**
 * Solves edges of vertex graphs. Concurrent solves of one solver share the work they have in common.
 *
 * @example
 * const cache = new CacheManager({ id: "local", keys: new MemoryKeyStore(), results: new MemoryResultStore<string>() });
 * const solver = new Solver({ cache });
 * const [solved] = await solver.solve([{ vertex, output: 0 }]);
 * console.log(solved?.result, solved?.cached);
 */
export class Solver<R> {
  readonly #solver: SolverParts<R>;
  readonly #graph: Graph<R>;

  constructor({ cache, limits, unreadable, isPersonal }: SolverOptions<R>) {
    this.#solver = {
      main: cache,
      slots: new Slots(limits),
      queue: new StepQueue(),
      index: new EdgeIndex(),
      unreadable: unreadable ?? ((): undefined => undefined),
      isPersonal: isPersonal ?? (() => false),
    };
    this.#graph = new Graph(this.#solver);
  }

  /** Number of vertices that belong to an open job. */
  get activeVertices(): number {
    return this.#graph.size;
  }

  /** Opens a job: several solves that share vertices and results until the job is disposed. */
  open(options: SolveOptions<R> = {}): SolverJob<R> {
    return new SolverJob(this.#graph, this.#solver.queue, options);
  }

  /**
   * Says what solving edges would do: which results it would take from a cache, and which ops it would run. Runs no op, and changes no
   * cache. Returns the outputs of all vertices, inputs first.
   */
  async plan(edges: readonly SolverEdge<R>[], options: PlanOptions<R>): Promise<PlannedEdge<R>[]> {
    const { planGraph } = await import("./plan/planner.ts");
    const cache = new CombinedCache(this.#solver.main);
    for (const each of options.caches ?? []) cache.add(each);
    return await planGraph(edges, cache, options);
  }

  /**
   * Solves edges in a job of their own. Returns one result for each edge, in their order.
   *
   * @throws {VarveError} The code of the first vertex that failed; `cancelled` after an abort of `signal`. See `SolverJob.solve`.
   */
  async solve(edges: readonly SolverEdge<R>[], options: SolveOptions<R> = {}): Promise<SolveResult<R>[]> {
    await using job = this.open(options);
    const results = await job.solve(edges);
    job.finish();
    return results;
  }
}
