import { levelOf } from "./edge-state.ts";
import { Level, explore, isExhausted } from "./explore.ts";
import { Input, type InputOwner } from "./input.ts";
import { Inputs } from "./inputs.ts";
import type { CacheKey } from "../cache/key.ts";
import { Making } from "./making.ts";
import type { Consumer, EdgeNode, EdgeState, InputNode, Origin, VertexNode } from "./nodes.ts";
import { Search } from "./search.ts";
import { outcomeOf } from "./trace-outcome.ts";
import type { VertexTrace } from "../trace.ts";

let serial = 0;

/**
 * One output of a vertex on its way to a result.
 *
 * Consumers say how far they want it; it wants its own inputs as far as it takes to get there, and no further. `step` looks
 * at what is known and starts what is missing; whatever ends wakes the edge again.
 */
export class Edge<R> implements EdgeNode<R>, InputOwner<R> {
  readonly #serial = (serial += 1);
  readonly vertex: VertexNode<R>;
  readonly output: number;
  readonly #inputs = new Inputs<R>();
  readonly #search: Search<R>;
  readonly #making: Making<R>;
  readonly #consumers = new Map<Consumer, Level>();
  #state: EdgeState<R> = { kind: "matching", level: Level.none };

  constructor(vertex: VertexNode<R>, output: number) {
    this.vertex = vertex;
    this.output = output;
    this.#inputs.fill(vertex.inputs.map((source, index) => new Input(this, source.vertex.edge(source.output), index)));
    const failed = (error: unknown): void => this.#onError(error);
    const ended = (): void => this.wake();
    this.#search = new Search(vertex, output, this.#inputs, { keysChanged: () => this.#onKeys(), failed, ended });
    this.#making = new Making(vertex, output, this.#search, {
      made: (result, origin, startedAt) => this.#complete(result, origin, startedAt),
      loadFailed: () => this.#setState({ kind: "matching", level: Level.none }),
      failed,
      ended,
    });
  }

  get inputs(): readonly Input<R>[] {
    return this.#inputs.list;
  }

  get state(): EdgeState<R> {
    return this.#state;
  }

  get level(): Level {
    return levelOf(this.#state);
  }

  get keys(): readonly CacheKey[] {
    return this.#search.keys;
  }

  get isIgnored(): boolean {
    return this.vertex.ignoreCache;
  }

  /** This edge, or the one it was merged into. */
  resolved(): EdgeNode<R> {
    return this.#state.kind === "merged" ? this.#state.into.resolved() : this;
  }

  /**
   * Keys a consumer may look for records with. None of an edge that ignores the cache, nor of one that was made again on
   * top of such a one: what was recorded below their keys came from an older result.
   */
  offers(): readonly CacheKey[] {
    return this.isIgnored || this.#making.isRemade ? [] : this.keys.filter((key) => key.isRoot || key.isFound);
  }

  /** Keys that stand for this edge, to save a result by. */
  knownKeys(): readonly CacheKey[] {
    return this.#state.kind === "complete" ? this.keys : this.offers();
  }

  /** Texts such that two edges with one in common have the same result. */
  identities(): readonly string[] {
    const offers = this.offers();
    return offers.length > 0 ? offers.flatMap((key) => key.identities()) : [`edge ${this.#serial}`];
  }

  /** Says how far a consumer wants the edge from now on. */
  require(consumer: Consumer, level: Level): void {
    if (level === Level.none) this.#consumers.delete(consumer);
    else this.#consumers.set(consumer, level);
    this.wake();
  }

  learnFrom(inputs: readonly InputNode<R>[]): void {
    this.#search.refreshKeys(inputs);
  }

  wake(): void {
    this.vertex.wake(this);
  }

  changed(input: Input<R>): void {
    this.#inputs.changed(input);
  }

  watch(input: Input<R>, isWatched: boolean): void {
    this.#inputs.watch(input, isWatched);
  }

  /** Looks at what is known and starts what is missing. */
  step(): void {
    if (this.#state.kind === "complete" || this.#state.kind === "failed" || this.#state.kind === "merged") return;
    const demand = Math.max(Level.none, ...this.#consumers.values()) as Level;
    if (demand < Level.complete) this.#stopMaking();
    if (demand === Level.none) return this.#rest();
    if (this.#state.kind === "loading" || this.#state.kind === "executing") return;
    const at = this.#inputs.views().findIndex(({ failed }, index) => failed && this.#wants(index));
    const failed = this.inputs[at]?.edge.state;
    if (failed?.kind === "failed") return this.fail(failed.error);
    const [key] = this.keys;
    if (key === undefined) return this.#begin();
    const twin = this.vertex.index.twinOf(this);
    if (twin !== undefined) return this.#mergeInto(twin);
    if (key.isRoot) return this.#stepRoot(demand);
    this.#stepInputs(key, demand);
  }

  fail(error: unknown): void {
    this.#setState({ kind: "failed", error });
    this.#rest();
    this.#making.callOff();
    this.vertex.index.remove(this);
  }

  /** Goes back to looking for a record, after the result has turned out to be unreadable. */
  async rollBack(reason: string): Promise<void> {
    if (this.#state.kind !== "complete") return;
    const { origin } = this.#state;
    for (const record of origin.records) this.#search.reject(record, reason);
    this.#search.matcher.forgetRecords();
    this.vertex.op.forget();
    this.#setState({ kind: "matching", level: Level.none });
    this.vertex.rolledBack(origin, reason);
    this.wake();
    for (const record of origin.records) await record.cache.keys.release(record.result.id);
  }

  trace(): VertexTrace {
    const { maps, candidates } = this.#search;
    return {
      vertex: this.vertex.digest,
      name: this.vertex.name,
      output: this.output,
      ops: maps.map(({ digest }) => digest),
      inputs: this.inputs.map((input) => input.trace()),
      candidates: [...candidates],
      outcome: outcomeOf(this, this.#search),
    };
  }

  /** Resolves when work that was called off has ended. */
  async ended(): Promise<void> {
    await Promise.all([this.#search.ended(), this.#making.ended()]);
  }

  #wants(index: number): boolean {
    return (this.inputs[index]?.want ?? Level.none) > Level.none;
  }

  /** Starts with the cache map; meanwhile the inputs find out their definition keys. */
  #begin(): void {
    for (const input of this.inputs) input.require(Level.fast);
    this.#search.askMap();
  }

  #stepRoot(demand: Level): void {
    const search = this.#search;
    this.#reach(search.isMapped ? Level.slow : Level.fast);
    if (demand === Level.fast) return;
    if (demand === Level.complete && !this.isIgnored) {
      search.fetch();
      if (search.matcher.isBusy || this.#load()) return;
    }
    if (!search.isMapped) search.askMap();
    else if (demand === Level.complete) this.#execute();
  }

  #stepInputs(key: CacheKey, demand: Level): void {
    const { matcher } = this.#search;
    if (!this.isIgnored) this.#search.probe(key);
    const views = this.#inputs.views();
    if (!this.isIgnored && demand >= Level.slow) this.#search.fetch();
    const isDone = this.isIgnored || views.every(isExhausted) || matcher.isStuck(views);
    const isFast = views.every(({ level, busy }) => level >= Level.fast && !busy);
    this.#reach(isDone ? Level.slow : isFast ? Level.fast : Level.none);
    if (demand === Level.complete && !matcher.isBusy) {
      if (this.#load()) return;
      if (isDone && this.#state.kind !== "gathering") this.#startGathering();
    }
    if (this.#state.kind === "gathering") return this.#gather();
    if (isDone || matcher.isFetching) return;
    for (const [index, { want, hash }] of explore(views, demand).entries()) {
      const input = this.inputs[index] as Input<R>;
      input.require(want);
      if (hash) this.#search.hash(input);
    }
  }

  #startGathering(): void {
    this.#inputs.gatherAll();
    this.#setState({ kind: "gathering" });
  }

  /** Makes all inputs, and makes them ready as they come. */
  #gather(): void {
    for (const input of this.#inputs.takeUngathered()) {
      input.require(Level.complete);
      if (input.edge.level < Level.complete) continue;
      this.#search.hash(input);
      this.#making.preload(input);
    }
    if (this.#inputs.views().every(({ ready }) => ready) && !this.#search.matcher.isBusy) this.#execute();
  }

  /** Loads the best record, if there is one. */
  #load(): boolean {
    const best = this.#search.best();
    if (best === undefined) return false;
    this.#setState({ kind: "loading", level: this.level, record: best.record });
    for (const input of this.inputs) input.require(Level.none);
    this.#making.load(best.record, best.key);
    return true;
  }

  #execute(): void {
    this.#setState({ kind: "executing" });
    const results = this.inputs.flatMap((input) => {
      const { state } = input.edge;
      if (state.kind !== "complete") return [];
      input.noteRead(state.result);
      return [state.result];
    });
    this.#making.execute(results);
  }

  #complete(result: R, origin: Origin<R>, startedAt: number | undefined): void {
    if (this.#state.kind === "complete" || this.#state.kind === "failed" || this.#state.kind === "merged") return;
    this.vertex.retain(result);
    this.#setState({ kind: "complete", result, origin });
    this.vertex.completed(this, origin, startedAt);
    this.#search.callOff();
    this.#making.callOff();
    for (const input of this.inputs) input.require(Level.none);
  }

  /** Lets `twin`, which has the same key, stand for this edge: it takes over the consumers, and what is known of the inputs. */
  #mergeInto(twin: EdgeNode<R>): void {
    twin.learnFrom(this.inputs);
    this.#setState({ kind: "merged", into: twin });
    this.#search.callOff();
    this.#making.callOff();
    for (const input of this.inputs) input.require(Level.none);
    this.vertex.mergedInto(twin.vertex);
    for (const [consumer, level] of this.#consumers) twin.require(consumer, level);
    for (const consumer of this.#consumers.keys()) consumer.wake();
    this.#consumers.clear();
  }

  #onKeys(): void {
    this.vertex.index.add(this);
    this.#wakeConsumers();
  }

  /** An error of the op: either some input's result cannot be read, which is mended, or the vertex has failed. */
  #onError(error: unknown): void {
    const isUnreadable = this.vertex.unreadable(error);
    if (isUnreadable === undefined) return this.#failWith(error);
    this.#making.run(async (signal) => {
      const wasMended = await this.vertex.rollBackInputs(this, isUnreadable, error);
      if (signal.aborted) return;
      if (wasMended) this.#retry();
      else this.#failWith(error);
    });
  }

  #retry(): void {
    for (const input of this.inputs) if (input.isStale || input.edge.level < Level.complete) input.forgetResult();
    this.vertex.op.forget();
    this.#setState({ kind: "matching", level: Level.none });
  }

  #failWith(error: unknown): void {
    if (this.#state.kind !== "merged") this.fail(this.vertex.failed(this, error));
  }

  #rest(): void {
    this.#search.callOff();
    this.#stopMaking();
    for (const input of this.inputs) input.require(Level.none);
  }

  #stopMaking(): void {
    const { kind } = this.#state;
    if (kind !== "gathering" && kind !== "loading" && kind !== "executing") return;
    this.#making.callOff();
    this.#setState({ kind: "matching", level: this.level });
  }

  #reach(level: Level): void {
    if (this.#state.kind === "matching" && this.#state.level !== level) this.#setState({ kind: "matching", level });
  }

  #setState(state: EdgeState<R>): void {
    this.#state = state;
    this.#wakeConsumers();
  }

  #wakeConsumers(): void {
    for (const consumer of this.#consumers.keys()) consumer.wake();
  }
}
