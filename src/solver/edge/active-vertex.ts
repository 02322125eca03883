import { type Digest, type VarveError, messageOf } from "../../core/index.ts";
import { CombinedCache } from "../cache/combined-cache.ts";
import { ActiveEdge } from "./active-edge.ts";
import type { EdgeIndex } from "./edge-index.ts";
import type { SolverEvent } from "../events.ts";
import type { SharingJob } from "./sharing-job.ts";
import type { InputSource, EdgeNode, EventBody, Follower, Origin, VertexNews, VertexNode } from "./nodes.ts";
import { type JobOp, SharedOp } from "./shared-op.ts";
import { vertexError } from "./vertex-error.ts";
import type { Slots } from "./slots.ts";
import type { StepQueue } from "./step-queue.ts";
import type { CacheManager } from "../cache/cache-manager.ts";
import type { OpContext, SolverOp, SolverVertex } from "../vertex.ts";

/** The parts of a solver that all its vertices share. */
export interface SolverParts<R> {
  readonly main: CacheManager<R>;
  readonly slots: Slots;
  readonly queue: StepQueue<R>;
  readonly index: EdgeIndex<R>;
  readonly unreadable: (error: unknown) => ((result: R) => boolean) | undefined;
  readonly isPersonal: (error: unknown) => boolean;
}

/** A vertex that belongs to an open job. Jobs with an equal vertex share it. */
export class ActiveVertex<R> implements VertexNode<R>, Follower<R> {
  readonly identity: string;
  readonly inputs: readonly InputSource<R>[];
  readonly cache: CombinedCache<R>;
  readonly op: SharedOp<R>;
  readonly #vertex: SolverVertex<R>;
  readonly #solver: SolverParts<R>;
  readonly #edges = new Map<number, EdgeNode<R>>();
  /** Jobs that have this vertex in their graph, each with its own op. */
  readonly #jobs = new Map<SharingJob<R>, SolverOp<R>>();
  /** Jobs that need this vertex because one of their vertices was merged into it, or into a vertex that depends on it. */
  readonly #mergedJobs = new Set<SharingJob<R>>();
  /** Vertices with an edge that was merged into one of this vertex. */
  readonly #followers = new Set<Follower<R>>();
  readonly #history: VertexNews[] = [];

  constructor(identity: string, vertex: SolverVertex<R>, inputs: readonly InputSource<R>[], solver: SolverParts<R>) {
    this.identity = identity;
    this.inputs = inputs;
    this.#vertex = vertex;
    this.#solver = solver;
    this.cache = new CombinedCache(solver.main, (cache, error) => {
      for (const job of this.jobs()) job.emit({ kind: "cache-failed", cache, error, at: Date.now() });
    });
    this.op = new SharedOp(vertex, solver.slots, {
      ops: () => {
        const ops: JobOp<R>[] = [];
        this.addOps(ops, new Set());
        return ops;
      },
      isPersonal: (error) => solver.isPersonal(error),
      started: (work) => this.#emit({ kind: "vertex-started", work }),
      resolved: () => this.#emit({ kind: "vertex-resolved" }),
      cancelled: () => this.#emit({ kind: "vertex-cancelled" }),
      context: (signal) => this.#context(signal),
      traces: () => this.edges.map((edge) => edge.trace()),
    });
  }

  get digest(): Digest {
    return this.#vertex.digest;
  }

  get name(): string {
    return this.#vertex.name;
  }

  get ignoreCache(): boolean {
    return this.#vertex.ignoreCache;
  }

  get maxAge(): number | undefined {
    return this.#vertex.maxAge;
  }

  get exportCache(): boolean {
    return this.#vertex.exportCache ?? true;
  }

  get index(): EdgeIndex<R> {
    return this.#solver.index;
  }

  get edges(): readonly EdgeNode<R>[] {
    return [...this.#edges.values()];
  }

  get isWanted(): boolean {
    return this.#jobs.size > 0 || this.#mergedJobs.size > 0;
  }

  edge(output: number): EdgeNode<R> {
    const edge = this.#edges.get(output) ?? new ActiveEdge(this, output);
    this.#edges.set(output, edge);
    return edge;
  }

  wake(edge: EdgeNode<R>): void {
    this.#solver.queue.add(edge);
  }

  unreadable(error: unknown): ((result: R) => boolean) | undefined {
    return this.#solver.unreadable(error);
  }

  /** Adds the caches of a job. */
  addCaches({ caches }: SharingJob<R>): void {
    for (const cache of caches) this.cache.add(cache);
  }

  /** Lets a job share the vertex, and ask its caches. The job gets the events that were emitted before it joined. */
  join(job: SharingJob<R>, op: SolverOp<R>): void {
    this.addCaches(job);
    if (this.#jobs.has(job)) return;
    this.#jobs.set(job, op);
    for (const news of this.#history) job.emit(this.#event(news));
    for (const { state } of this.edges) if (state.kind === "complete") job.retain(state.result);
  }

  leave(job: SharingJob<R>): void {
    this.#jobs.delete(job);
    this.#mergedJobs.delete(job);
  }

  /** Lets every job that shares the vertex retain a result. */
  retain(result: R): void {
    for (const job of this.jobs()) job.retain(result);
  }

  completed(edge: EdgeNode<R>, origin: Origin<R>, startedAt: number = Date.now()): void {
    const trace = edge.trace();
    if (origin.kind === "cached") this.#emit({ kind: "vertex-cached", cache: origin.cache ?? "", trace });
    else this.#emit({ kind: "vertex-completed", startedAt, trace });
  }

  rolledBack(origin: Origin<R>, reason: string): void {
    this.#emit({ kind: "vertex-rolled-back", cache: origin.cache ?? "", reason });
  }

  /** Emits that the vertex has failed. Returns the error with the vertex in its details. */
  failed(edge: EdgeNode<R>, error: unknown): VarveError {
    const located = vertexError(this, error);
    this.#emit({ kind: "vertex-failed", error: located, trace: edge.trace() });
    return located;
  }

  /** Called when an edge of this vertex was merged into one of `other`. The jobs of this vertex then share `other` and its inputs. */
  mergedInto(other: VertexNode<R>): void {
    other.addFollower(this);
  }

  addFollower(follower: Follower<R>): void {
    this.#followers.add(follower);
    for (const news of this.#history) follower.relay(news, new Set([this]));
    for (const job of follower.jobs()) this.#addMergedJob(job);
  }

  addMergedJob(job: SharingJob<R>): void {
    this.#mergedJobs.add(job);
  }

  /**
   * Rolls back every unreadable result that `edge` depends on. Returns false if a retry would not help: none of the results
   * came from a cache, and no other edge has rolled back a result that this one has read.
   */
  async rollBackInputs(edge: EdgeNode<R>, isUnreadable: (result: R) => boolean, error: unknown): Promise<boolean> {
    const reason = messageOf(error);
    const dependencies = new Set(edge.inputs.map((input) => input.edge));
    for (const dependency of dependencies) for (const input of dependency.inputs) dependencies.add(input.edge);
    const lost = [...dependencies].filter(({ state }) => state.kind === "complete" && isUnreadable(state.result));
    const isCached = lost.some(({ state }) => state.kind === "complete" && state.origin.kind === "cached");
    if (!isCached && !edge.inputs.some((input) => input.isStale)) return false;
    for (const dependency of lost) await dependency.rollBack(reason);
    return true;
  }

  /** Resolves when all cancelled work has ended. */
  async stopped(): Promise<void> {
    await Promise.all([this.op.stopped(), ...this.edges.map((edge) => edge.ended())]);
  }

  /** Emits `vertex-skipped` to a job if no result of this vertex was needed. */
  emitSkipped(job: SharingJob<R>): void {
    const isUsed = this.#history.some(({ body: { kind } }) => kind === "vertex-cached" || kind === "vertex-completed");
    if (isUsed) return;
    const found = this.edges.flatMap((edge) => edge.resolved().keys.flatMap((key) => [...key.locations()]));
    const [cache] = found[0] ?? [];
    job.emit(this.#event({ body: { kind: "vertex-skipped", cache }, at: Date.now() }));
  }

  jobs(): ReadonlySet<SharingJob<R>> {
    return new Set(this.#jobs.keys()).union(this.#mergedJobs);
  }

  addOps(ops: JobOp<R>[], visited: Set<unknown>): void {
    if (visited.has(this)) return;
    visited.add(this);
    for (const [job, op] of this.#jobs) ops.push({ job, op });
    for (const follower of this.#followers) follower.addOps(ops, visited);
  }

  relay(news: VertexNews, visited: Set<unknown>): void {
    if (visited.has(this)) return;
    visited.add(this);
    if (news.body.kind !== "vertex-report") this.#history.push(news);
    for (const job of this.#jobs.keys()) job.emit(this.#event(news));
    for (const follower of this.#followers) follower.relay(news, visited);
  }

  #addMergedJob(job: SharingJob<R>): void {
    const visited = new Set<VertexNode<R>>([this]);
    for (const vertex of visited) {
      vertex.addMergedJob(job);
      for (const { state } of vertex.edges) if (state.kind === "complete") job.retain(state.result);
      for (const edge of vertex.edges) for (const input of edge.inputs) visited.add(input.edge.vertex);
    }
  }

  #context(signal: AbortSignal): OpContext {
    const report: OpContext["report"] = (report) => this.#emit({ kind: "vertex-report", report });
    return { signal, vertex: this.digest, report };
  }

  #emit(body: EventBody): void {
    this.relay({ body, at: Date.now() }, new Set());
  }

  #event({ body, at }: VertexNews): SolverEvent {
    const inputs = this.inputs.map(({ vertex }) => vertex.digest);
    return { ...body, digest: this.digest, name: this.name, inputs, at };
  }
}
