import { VarveError, throwIfAborted } from "../core/index.ts";
import type { ActiveVertex } from "./edge/active-vertex.ts";
import type { CacheManager } from "./cache/cache-manager.ts";
import type { Consumer, EdgeNode } from "./edge/nodes.ts";
import type { OnSolverEvent, SolverEvent } from "./events.ts";
import { Level } from "./edge/explore.ts";
import type { Graph } from "./edge/graph.ts";
import type { CacheKey } from "./cache/key.ts";
import type { SharingJob } from "./edge/sharing-job.ts";
import type { StepQueue } from "./edge/step-queue.ts";
import type { VertexTrace } from "./trace.ts";
import type { SolverEdge } from "./vertex.ts";

/** Options of a job or of a single solve. */
export interface SolveOptions<R> {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnSolverEvent | undefined;
  /** Imported caches, in the order in which they are asked, after the solver's own. */
  readonly caches?: readonly CacheManager<R>[] | undefined;
  /**
   * Called with every result that is made, loaded or shared, before anything uses it. The caller keeps what the result refers
   * to until the solve has ended. It may be called more than once with the same result.
   */
  readonly retain?: ((result: R) => void) | undefined;
}

/** The result of one edge. */
export interface SolveResult<R> {
  readonly result: R;
  /** True if the result came from a cache and this edge was not executed. */
  readonly cached: boolean;
  /** The cache keys of the edge, with the keys of its inputs. Cache exports walk them. */
  readonly keys: readonly CacheKey[];
  /** The caches that the ids in `keys` belong to; the first is the solver's own. */
  readonly caches: readonly CacheManager<R>[];
}

/**
 * One or more solves of a solver that share vertices and results. Until the job is disposed, its vertices stay active and a
 * result is searched only once.
 */
export class SolverJob<R> implements AsyncDisposable {
  readonly #graph: Graph<R>;
  readonly #queue: StepQueue<R>;
  readonly #options: SolveOptions<R>;
  readonly #job: SharingJob<R>;
  readonly #caches: CacheManager<R>[];
  readonly #vertices = new Set<ActiveVertex<R>>();
  readonly #goals = new Set<Goal<R>>();
  /** The edges of the last solve. */
  #wanted: readonly EdgeNode<R>[] = [];
  /** The results that the last solve returned. */
  #returned: readonly { readonly edge: EdgeNode<R>; readonly result: R }[] = [];

  constructor(graph: Graph<R>, queue: StepQueue<R>, options: SolveOptions<R>) {
    this.#graph = graph;
    this.#queue = queue;
    this.#options = options;
    const emit = (event: SolverEvent): void => options.onEvent?.(event);
    this.#caches = [...(options.caches ?? [])];
    this.#job = {
      caches: this.#caches,
      get isCancelled() {
        return options.signal?.aborted === true;
      },
      emit,
      retain: (result) => options.retain?.(result),
    };
  }

  /**
   * Adds imported caches, which are asked after the others. They are not asked for vertices that are solved already, so that only root
   * keys of these lead further in them.
   */
  addCaches(caches: readonly CacheManager<R>[]): void {
    this.#caches.push(...caches);
    for (const vertex of this.#vertices) vertex.addCaches(this.#job);
  }

  /**
   * Solves edges in parallel. Returns one result for each edge, in their order. After the first failure, or after the signal
   * was aborted, the job cancels all work that no other job needs. The promise settles when that work has stopped.
   *
   * @throws {VarveError} The code of the first vertex that failed, with the vertex in `details.vertex`; `cancelled` after an
   * abort; `internal` for a graph that is not valid.
   */
  async solve(edges: readonly SolverEdge<R>[]): Promise<SolveResult<R>[]> {
    throwIfAborted(this.#options.signal, "solve");
    const tops = edges.map(({ vertex, output }) => {
      const edge = this.#graph.join(this.#job, vertex, this.#vertices).edge(output);
      if (output >= vertex.op.outputs)
        throw new VarveError("internal", `Cannot take output ${output} of ${vertex.name}: it has ${vertex.op.outputs}`);
      return edge;
    });
    this.#wanted = tops;
    const goals = tops.map((edge) => new Goal(edge));
    for (const goal of goals) this.#goals.add(goal);
    try {
      await this.#unlessAborted(Promise.all(goals.map((goal) => goal.reached())));
      const reached = goals.map((goal) => ({ edge: goal.edge, solved: goal.result() }));
      this.#returned = reached.map(({ edge, solved: { result } }) => ({ edge, result }));
      return reached.map(({ solved }) => solved);
    } finally {
      for (const goal of goals) this.#drop(goal);
      this.#queue.flush();
      await this.#graph.stopped();
    }
  }

  /** Returns every result, so far, of the last solve's edges and their inputs. A failed build can export them as cache. */
  solved(): SolveResult<R>[] {
    const vertices = new Set(this.#wanted.map((edge) => edge.vertex));
    for (const { inputs } of vertices) for (const { vertex } of inputs) vertices.add(vertex);
    const edges = new Set([...vertices].flatMap((vertex) => vertex.edges.map((edge) => edge.resolved())));
    return [...edges].flatMap((edge) => solvedBy(edge) ?? []);
  }

  /** Emits `vertex-skipped` for the vertices that were not needed. Call it after the last solve has succeeded. */
  finish(): void {
    for (const vertex of this.#vertices) vertex.emitSkipped(this.#job);
  }

  /**
   * Call it when a result turned out to be unreadable outside an op, for example during an export. Drops every unreadable
   * result of this job, also from the caches, so that the next solve makes it again. Returns false if another solve would not
   * help: no unreadable result came from a cache, and no other job has rolled one back.
   */
  async rollBack(isUnreadable: (result: R) => boolean, reason: string): Promise<boolean> {
    const edges = new Set([...this.#vertices].flatMap((vertex) => vertex.edges.map((edge) => edge.resolved())));
    const lost = [...edges].filter(({ state }) => state.kind === "complete" && isUnreadable(state.result));
    const isCached = lost.some(({ state }) => state.kind === "complete" && state.origin.kind === "cached");
    const wasDone = this.#returned.some((one) => isUnreadable(one.result) && !isCurrent(one));
    if (!isCached && !wasDone) return false;
    for (const edge of lost) await edge.rollBack(reason);
    return true;
  }

  /** Returns why each vertex was or was not taken from a cache: one entry for each output that was needed. */
  trace(): VertexTrace[] {
    return [...this.#vertices].flatMap((vertex) => vertex.edges.map((edge) => edge.trace()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const goal of this.#goals) this.#drop(goal);
    this.#queue.flush();
    await this.#graph.stopped();
    this.#graph.leave(this.#job);
  }

  #drop(goal: Goal<R>): void {
    goal.drop();
    this.#goals.delete(goal);
  }

  async #unlessAborted<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#options;
    if (signal === undefined) return await work;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => {
      const isOurs = signal.reason instanceof VarveError;
      const error = new VarveError("cancelled", "Cannot solve: cancelled", { cause: signal.reason });
      reject(isOurs ? signal.reason : error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([work, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** An edge that a solve needs the result of. */
class Goal<R> implements Consumer {
  readonly edge: EdgeNode<R>;
  readonly #reached = Promise.withResolvers<void>();

  constructor(edge: EdgeNode<R>) {
    this.edge = edge;
    edge.resolved().require(this, Level.complete);
    this.wake();
  }

  wake(): void {
    const { state } = this.edge.resolved();
    if (state.kind === "complete") this.#reached.resolve();
    if (state.kind === "failed") this.#reached.reject(state.error);
  }

  async reached(): Promise<void> {
    await this.#reached.promise;
  }

  drop(): void {
    this.edge.resolved().require(this, Level.none);
    this.#reached.promise.catch(() => undefined);
  }

  result(): SolveResult<R> {
    const edge = this.edge.resolved();
    const solved = solvedBy(edge);
    if (solved !== undefined) return solved;
    throw new VarveError("internal", `Cannot take the result of ${edge.vertex.name}: it was rolled back`);
  }
}

/** True if a result that was returned is still the result of its edge. */
function isCurrent<R>({ edge, result }: { readonly edge: EdgeNode<R>; readonly result: R }): boolean {
  const { state } = edge.resolved();
  return state.kind === "complete" && state.result === result;
}

function solvedBy<R>({ state, keys, vertex }: EdgeNode<R>): SolveResult<R> | undefined {
  if (state.kind !== "complete") return undefined;
  const { result, origin } = state;
  return { result, cached: origin.kind === "cached", keys, caches: vertex.cache.all() };
}
