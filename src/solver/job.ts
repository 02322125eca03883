import { VarveError, throwIfAborted } from "../core/index.ts";
import type { ActiveVertex } from "./edge/active-vertex.ts";
import type { CacheManager } from "./cache/cache-manager.ts";
import type { Consumer, EdgeNode } from "./edge/nodes.ts";
import type { OnSolverEvent, SolverEvent } from "./events.ts";
import { Level } from "./edge/explore.ts";
import type { Graph } from "./edge/graph.ts";
import type { CacheKey } from "./cache/key.ts";
import type { Member } from "./edge/member.ts";
import type { StepQueue } from "./edge/step-queue.ts";
import type { VertexTrace } from "./trace.ts";
import type { SolverEdge } from "./vertex.ts";

export interface SolveOptions<R> {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnSolverEvent | undefined;
  /** Imported caches, in the order they are asked after the solver's own. */
  readonly caches?: readonly CacheManager<R>[] | undefined;
  /**
   * Called with every result that is made, loaded or shared, before anything uses it: the place to keep what it refers to
   * alive until the solve has ended. May be called more than once with a result.
   */
  readonly retain?: ((result: R) => void) | undefined;
}

export interface SolveResult<R> {
  readonly result: R;
  /** True if nothing was executed for this very edge. */
  readonly cached: boolean;
  /** Its cache keys, with all they were made from: what a cache export walks. */
  readonly keys: readonly CacheKey[];
  /** The caches the ids in `keys` belong to; the first is the solver's own. */
  readonly caches: readonly CacheManager<R>[];
}

/** One solve's share in a solver: vertices stay at work, and results are not looked for twice, until it is disposed of. */
export class SolverJob<R> implements AsyncDisposable {
  readonly #graph: Graph<R>;
  readonly #queue: StepQueue<R>;
  readonly #options: SolveOptions<R>;
  readonly #member: Member<R>;
  readonly #vertices = new Set<ActiveVertex<R>>();
  readonly #goals = new Set<Goal<R>>();
  /** What the last solve was asked for. */
  #wanted: readonly EdgeNode<R>[] = [];
  /** What the last solve gave. */
  #given: readonly { readonly edge: EdgeNode<R>; readonly result: R }[] = [];

  constructor(graph: Graph<R>, queue: StepQueue<R>, options: SolveOptions<R>) {
    this.#graph = graph;
    this.#queue = queue;
    this.#options = options;
    const emit = (event: SolverEvent): void => options.onEvent?.(event);
    this.#member = { caches: options.caches ?? [], emit, retain: (result) => options.retain?.(result) };
  }

  /**
   * Solves edges, all at once. The first failure, which names its vertex in `details.vertex`, or the abort of the signal,
   * calls off everything no other solve needs; the promise then settles when that has stopped.
   */
  async solve(edges: readonly SolverEdge<R>[]): Promise<SolveResult<R>[]> {
    throwIfAborted(this.#options.signal, "solve");
    const tops = edges.map(({ vertex, output }) => {
      const edge = this.#graph.join(this.#member, vertex, this.#vertices).edge(output);
      if (output >= vertex.op.outputs)
        throw new VarveError("internal", `Cannot take output ${output} of ${vertex.name}: it has ${vertex.op.outputs}`);
      return edge;
    });
    this.#wanted = tops;
    const goals = tops.map((edge) => new Goal(edge));
    for (const goal of goals) this.#goals.add(goal);
    try {
      await this.#unlessAborted(Promise.all(goals.map((goal) => goal.reached())));
      const solved = goals.map((goal) => goal.result());
      this.#given = solved.map(({ result }, index) => ({ edge: tops[index] as EdgeNode<R>, result }));
      return solved;
    } finally {
      for (const goal of goals) this.#drop(goal);
      this.#queue.flush();
      await this.#graph.stopped();
    }
  }

  /** What has a result by now of what the last solve was asked for, and of what that is made from: what a failed one can export. */
  solved(): SolveResult<R>[] {
    const vertices = new Set(this.#wanted.map((edge) => edge.vertex));
    for (const { inputs } of vertices) for (const { vertex } of inputs) vertices.add(vertex);
    const edges = new Set([...vertices].flatMap((vertex) => vertex.edges.map((edge) => edge.resolved())));
    return [...edges].flatMap((edge) => solvedBy(edge) ?? []);
  }

  /** Tells, once all is solved, of the vertices nobody needed. */
  finish(): void {
    for (const vertex of this.#vertices) vertex.tellSkipped(this.#member);
  }

  /**
   * After a result has turned out to be unreadable outside of any op: forgets every result of this job that is, in the
   * caches too, so that solving again makes it anew. False if none of them came from a cache; unless another job that shares
   * them has done it already.
   */
  async rollBack(isUnreadable: (result: R) => boolean, reason: string): Promise<boolean> {
    const edges = new Set([...this.#vertices].flatMap((vertex) => vertex.edges.map((edge) => edge.resolved())));
    const lost = [...edges].filter(({ state }) => state.kind === "complete" && isUnreadable(state.result));
    const isCached = lost.some(({ state }) => state.kind === "complete" && state.origin.kind === "cached");
    const wasDone = this.#given.some((given) => isUnreadable(given.result) && !isCurrent(given));
    if (!isCached && !wasDone) return false;
    for (const edge of lost) await edge.rollBack(reason);
    return true;
  }

  /** Why each vertex was, or was not, taken from a cache: an entry for every output that was looked at. */
  trace(): VertexTrace[] {
    return [...this.#vertices].flatMap((vertex) => vertex.edges.map((edge) => edge.trace()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const goal of this.#goals) this.#drop(goal);
    this.#queue.flush();
    await this.#graph.stopped();
    this.#graph.leave(this.#member);
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

/** An edge that a solve wants the result of. */
class Goal<R> implements Consumer {
  readonly #edge: EdgeNode<R>;
  readonly #reached = Promise.withResolvers<void>();

  constructor(edge: EdgeNode<R>) {
    this.#edge = edge;
    edge.resolved().require(this, Level.complete);
    this.wake();
  }

  wake(): void {
    const { state } = this.#edge.resolved();
    if (state.kind === "complete") this.#reached.resolve();
    if (state.kind === "failed") this.#reached.reject(state.error);
  }

  async reached(): Promise<void> {
    await this.#reached.promise;
  }

  drop(): void {
    this.#edge.resolved().require(this, Level.none);
    this.#reached.promise.catch(() => undefined);
  }

  result(): SolveResult<R> {
    const edge = this.#edge.resolved();
    const solved = solvedBy(edge);
    if (solved !== undefined) return solved;
    throw new VarveError("internal", `Cannot take the result of ${edge.vertex.name}: it is not there any more`);
  }
}

/** Whether a result that was given still stands for its edge. */
function isCurrent<R>({ edge, result }: { readonly edge: EdgeNode<R>; readonly result: R }): boolean {
  const { state } = edge.resolved();
  return state.kind === "complete" && state.result === result;
}

function solvedBy<R>({ state, keys, vertex }: EdgeNode<R>): SolveResult<R> | undefined {
  if (state.kind !== "complete") return undefined;
  const { result, origin } = state;
  return { result, cached: origin.kind === "cached", keys, caches: vertex.cache.all() };
}
