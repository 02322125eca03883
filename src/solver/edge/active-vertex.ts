import { type Digest, VarveError, messageOf, toVarveError } from "../../core/index.ts";
import { CombinedCache } from "../cache/combined-cache.ts";
import { Edge } from "./edge.ts";
import type { EdgeIndex } from "./edge-index.ts";
import type { SolverEvent } from "../events.ts";
import type { Member } from "./member.ts";
import type { ActiveInput, EdgeNode, EventBody, Follower, Origin, VertexNode } from "./nodes.ts";
import { SharedOp } from "./shared-op.ts";
import type { Slots } from "./slots.ts";
import type { StepQueue } from "./step-queue.ts";
import type { CacheManager } from "../cache/cache-manager.ts";
import type { OpContext, SolverVertex } from "../vertex.ts";

/** What all vertices of a solver share. */
export interface Workshop<R> {
  readonly main: CacheManager<R>;
  readonly slots: Slots;
  readonly queue: StepQueue<R>;
  readonly index: EdgeIndex<R>;
  readonly unreadable: (error: unknown) => ((result: R) => boolean) | undefined;
}

/** A vertex some solve is working on. Solves with an equal vertex share it. */
export class ActiveVertex<R> implements VertexNode<R>, Follower<R> {
  readonly identity: string;
  readonly inputs: readonly ActiveInput<R>[];
  readonly cache: CombinedCache<R>;
  readonly op: SharedOp<R>;
  readonly #vertex: SolverVertex<R>;
  readonly #workshop: Workshop<R>;
  readonly #edges = new Map<number, EdgeNode<R>>();
  /** Solves that have this vertex in their graph. */
  readonly #members = new Set<Member<R>>();
  /** Solves that need it because one of their vertices was merged into it, or into something made from it. */
  readonly #guests = new Set<Member<R>>();
  /** Vertices with an edge that was merged into one of this vertex. */
  readonly #followers = new Set<Follower<R>>();
  readonly #history: EventBody[] = [];

  constructor(identity: string, vertex: SolverVertex<R>, inputs: readonly ActiveInput<R>[], workshop: Workshop<R>) {
    this.identity = identity;
    this.inputs = inputs;
    this.#vertex = vertex;
    this.#workshop = workshop;
    this.cache = new CombinedCache(workshop.main, (cache, error) => {
      for (const member of this.members()) member.emit({ kind: "cache-failed", cache, error, at: Date.now() });
    });
    this.op = new SharedOp(vertex, workshop.slots, {
      started: (work) => this.#tell({ kind: "vertex-started", work }),
      resolved: () => this.#tell({ kind: "vertex-resolved" }),
      cancelled: () => this.#tell({ kind: "vertex-cancelled" }),
      context: (signal) => this.#context(signal),
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

  get exportCache(): boolean {
    return this.#vertex.exportCache ?? true;
  }

  get index(): EdgeIndex<R> {
    return this.#workshop.index;
  }

  get edges(): readonly EdgeNode<R>[] {
    return [...this.#edges.values()];
  }

  get isWanted(): boolean {
    return this.#members.size > 0 || this.#guests.size > 0;
  }

  edge(output: number): EdgeNode<R> {
    const edge = this.#edges.get(output) ?? new Edge(this, output);
    this.#edges.set(output, edge);
    return edge;
  }

  wake(edge: EdgeNode<R>): void {
    this.#workshop.queue.add(edge);
  }

  unreadable(error: unknown): ((result: R) => boolean) | undefined {
    return this.#workshop.unreadable(error);
  }

  /** Lets a solve share the vertex; it is told what has happened so far. */
  join(member: Member<R>): void {
    if (this.#members.has(member)) return;
    this.#members.add(member);
    for (const cache of member.caches) this.cache.add(cache);
    for (const body of this.#history) member.emit(this.#event(body));
    for (const { state } of this.edges) if (state.kind === "complete") member.retain(state.result);
  }

  leave(member: Member<R>): void {
    this.#members.delete(member);
    this.#guests.delete(member);
  }

  /** Keeps a result for as long as any solve that shares the vertex. */
  retain(result: R): void {
    for (const member of this.members()) member.retain(result);
  }

  completed(edge: EdgeNode<R>, origin: Origin<R>, startedAt: number = Date.now()): void {
    const trace = edge.trace();
    if (origin.kind === "cached") this.#tell({ kind: "vertex-cached", cache: origin.cache ?? "", trace });
    else this.#tell({ kind: "vertex-completed", startedAt, trace });
  }

  rolledBack(origin: Origin<R>, reason: string): void {
    this.#tell({ kind: "vertex-rolled-back", cache: origin.cache ?? "", reason });
  }

  /** Tells that the vertex has failed; returns the error that says so. */
  failed(edge: EdgeNode<R>, error: unknown): VarveError {
    const known = toVarveError(error, `solve ${this.name}`);
    const located = new VarveError(known.code, known.message, {
      details: { ...known.details, vertex: this.digest, vertexName: this.name },
      cause: known,
      hint: known.hint,
    });
    this.#tell({ kind: "vertex-failed", error: located, trace: edge.trace() });
    return located;
  }

  /** An edge of this vertex now is one of `other`: all who share this share that, and what it is made from. */
  mergedInto(other: VertexNode<R>): void {
    other.addFollower(this);
  }

  addFollower(follower: Follower<R>): void {
    this.#followers.add(follower);
    for (const body of this.#history) follower.relay(body, new Set([this]));
    for (const member of follower.members()) this.#welcome(member);
  }

  addGuest(member: Member<R>): void {
    this.#guests.add(member);
  }

  /**
   * Rolls back every result that `edge` was made from and that cannot be read. False if there is nothing to gain by that:
   * none of them came from a cache, and nobody else has rolled back what was read.
   */
  async rollBackInputs(edge: EdgeNode<R>, isUnreadable: (result: R) => boolean, error: unknown): Promise<boolean> {
    const reason = messageOf(error);
    const above = new Set(edge.inputs.map((input) => input.edge));
    for (const at of above) for (const input of at.inputs) above.add(input.edge);
    const lost = [...above].filter(({ state }) => state.kind === "complete" && isUnreadable(state.result));
    const isCached = lost.some(({ state }) => state.kind === "complete" && state.origin.kind === "cached");
    if (!isCached && !edge.inputs.some((input) => input.isStale)) return false;
    for (const at of lost) await at.rollBack(reason);
    return true;
  }

  /** Resolves when work that was called off has ended. */
  async stopped(): Promise<void> {
    await Promise.all([this.op.stopped(), ...this.edges.map((edge) => edge.ended())]);
  }

  /** Tells a solve that has ended well of a vertex it did not need. */
  tellSkipped(member: Member<R>): void {
    const isUsed = this.#history.some(({ kind }) => kind === "vertex-cached" || kind === "vertex-completed");
    if (isUsed) return;
    const found = this.edges.flatMap((edge) => edge.resolved().keys.flatMap((key) => [...key.locations()]));
    const [cache] = found[0] ?? [];
    member.emit(this.#event({ kind: "vertex-skipped", cache }));
  }

  members(): ReadonlySet<Member<R>> {
    return this.#members.union(this.#guests);
  }

  relay(body: EventBody, told: Set<unknown>): void {
    if (told.has(this)) return;
    told.add(this);
    if (body.kind !== "vertex-report") this.#history.push(body);
    for (const member of this.#members) member.emit(this.#event(body));
    for (const follower of this.#followers) follower.relay(body, told);
  }

  #welcome(member: Member<R>): void {
    const seen = new Set<VertexNode<R>>([this]);
    for (const vertex of seen) {
      vertex.addGuest(member);
      for (const { state } of vertex.edges) if (state.kind === "complete") member.retain(state.result);
      for (const edge of vertex.edges) for (const input of edge.inputs) seen.add(input.edge.vertex);
    }
  }

  #context(signal: AbortSignal): OpContext {
    const report: OpContext["report"] = (report) => this.#tell({ kind: "vertex-report", report });
    return { signal, vertex: this.digest, report };
  }

  #tell(body: EventBody): void {
    this.relay(body, new Set());
  }

  #event(body: EventBody): SolverEvent {
    const inputs = this.inputs.map(({ vertex }) => vertex.digest);
    return { ...body, digest: this.digest, name: this.name, inputs, at: Date.now() };
  }
}
