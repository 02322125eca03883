import { Consumers } from "./consumers.ts";
import { levelOf } from "./edge-state.ts";
import { Level, explore, isExhausted } from "./explore.ts";
import { EdgeInput, type InputOwner, readResults } from "./edge-input.ts";
import { InputTracker } from "./input-tracker.ts";
import type { CacheKey } from "../cache/key.ts";
import { ResultMaker } from "./result-maker.ts";
import type { Consumer, EdgeNode, EdgeState, InputNode, Origin, VertexNode } from "./nodes.ts";
import { KeySearch } from "./key-search.ts";
import { traceOf } from "./edge-trace.ts";
import type { VertexTrace } from "../trace.ts";

let serial = 0;

/**
 * The state machine of one output of a vertex; see `EdgeState` for its states and `EdgeNode` for its methods.
 *
 * Consumers require a level of the edge. The edge requires from its inputs only what it needs for that level. `step` checks
 * what is known and starts the work that is missing; work that ends wakes the edge, and the queue calls `step` again.
 */
export class ActiveEdge<R> implements EdgeNode<R>, InputOwner<R> {
  readonly #serial = (serial += 1);
  readonly vertex: VertexNode<R>;
  readonly output: number;
  readonly #inputs = new InputTracker<R>();
  readonly #search: KeySearch<R>;
  readonly #making: ResultMaker<R>;
  readonly #consumers = new Consumers();
  #state: EdgeState<R> = { kind: "matching", level: Level.none };

  constructor(vertex: VertexNode<R>, output: number) {
    this.vertex = vertex;
    this.output = output;
    this.#inputs.fill(
      vertex.inputs.map((source, index) => new EdgeInput(this, source.vertex.edge(source.output), index)),
    );
    const failed = (error: unknown): void => this.#onError(error);
    const ended = (): void => this.wake();
    this.#search = new KeySearch(vertex, output, this.#inputs, { keysChanged: () => this.#onKeys(), failed, ended });
    this.#making = new ResultMaker(vertex, output, this.#search, {
      made: (result, origin, startedAt) => this.#complete(result, origin, startedAt),
      loadFailed: () => this.#setState({ kind: "matching", level: Level.none }),
      failed,
      ended,
    });
  }

  get inputs(): readonly EdgeInput<R>[] {
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

  resolved(): EdgeNode<R> {
    return this.#state.kind === "merged" ? this.#state.into.resolved() : this;
  }

  /**
   * Returns the keys that a consumer may search records with. Returns none for an edge that ignores the cache, and none for
   * an edge that was executed again, on top of such an edge or because its result was too old: records under those keys were made
   * from an older result.
   */
  searchKeys(): readonly CacheKey[] {
    return this.isIgnored || this.#making.isRemade || this.#search.matcher.isExpired
      ? []
      : this.keys.filter((key) => key.isRoot || key.isFound);
  }

  knownKeys(): readonly CacheKey[] {
    return this.#state.kind === "complete" ? this.keys : this.searchKeys();
  }

  identities(): readonly string[] {
    const keys = this.searchKeys();
    return keys.length > 0 ? keys.flatMap((key) => key.identities()) : [`edge ${this.#serial}`];
  }

  require(consumer: Consumer, level: Level): void {
    this.#consumers.set(consumer, level);
    this.wake();
  }

  adoptInputKeys(inputs: readonly InputNode<R>[]): void {
    this.#search.refreshKeys(inputs);
  }

  wake(): void {
    this.vertex.wake(this);
  }

  changed(input: EdgeInput<R>): void {
    this.#inputs.changed(input);
  }

  watch(input: EdgeInput<R>, isWatched: boolean): void {
    this.#inputs.watch(input, isWatched);
  }

  step(): void {
    if (this.#state.kind === "complete" || this.#state.kind === "failed" || this.#state.kind === "merged") return;
    const demand = this.#consumers.demand();
    if (demand < Level.complete) this.#stopMaking();
    if (demand === Level.none) return this.#goIdle();
    if (this.#state.kind === "loading" || this.#state.kind === "executing") return;
    const failedIndex = this.#inputs.views().findIndex(({ failed }, index) => failed && this.#isRequired(index));
    const failed = this.inputs[failedIndex]?.edge.state;
    if (failed?.kind === "failed") return this.fail(failed.error);
    const [key] = this.keys;
    if (key === undefined) return this.#start();
    const target = this.vertex.index.findMergeTarget(this);
    if (target !== undefined) return this.#mergeInto(target);
    if (key.isRoot) return this.#stepRoot(demand);
    this.#stepInputs(key, demand);
  }

  fail(error: unknown): void {
    this.#setState({ kind: "failed", error });
    this.#goIdle();
    this.#making.cancel();
    this.vertex.index.remove(this);
  }

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
    return traceOf(this, this.inputs, this.#search);
  }

  async ended(): Promise<void> {
    await Promise.all([this.#search.ended(), this.#making.ended()]);
  }

  #isRequired(index: number): boolean {
    return (this.inputs[index]?.required ?? Level.none) > Level.none;
  }

  /** Asks for the cache map. Meanwhile the inputs compute their definition keys. */
  #start(): void {
    for (const input of this.inputs) input.require(Level.fast);
    this.#search.askMap();
  }

  #stepRoot(demand: Level): void {
    const search = this.#search;
    this.#setLevel(search.isMapped ? Level.slow : Level.fast);
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
    this.#setLevel(isDone ? Level.slow : isFast ? Level.fast : Level.none);
    if (demand === Level.complete && !matcher.isBusy) {
      if (this.#load()) return;
      if (isDone && this.#state.kind !== "gathering") this.#startGathering();
    }
    if (this.#state.kind === "gathering") return this.#gather();
    if (isDone || matcher.isFetching) return;
    const steps = explore(views, demand);
    for (const input of this.inputs) {
      const step = steps[input.index];
      if (step === undefined) continue;
      input.require(step.level);
      if (step.hash) this.#search.hash(input);
    }
  }

  #startGathering(): void {
    this.#inputs.gatherAll();
    this.#setState({ kind: "gathering" });
  }

  /** Requires the results of all inputs and prepares each input when its result is there. */
  #gather(): void {
    for (const input of this.#inputs.takeUngathered()) {
      input.require(Level.complete);
      if (input.edge.level < Level.complete) continue;
      this.#search.hash(input);
      this.#making.preload(input);
    }
    if (this.#inputs.views().every(({ ready }) => ready) && !this.#search.matcher.isBusy) this.#execute();
  }

  /** Starts to load the best record. Returns false if there is none. */
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
    this.#making.execute(readResults(this.inputs));
  }

  #complete(result: R, origin: Origin<R>, startedAt: number | undefined): void {
    if (this.#state.kind === "complete" || this.#state.kind === "failed" || this.#state.kind === "merged") return;
    this.vertex.retain(result);
    this.#setState({ kind: "complete", result, origin });
    this.vertex.completed(this, origin, startedAt);
    this.#search.cancel();
    this.#making.cancel();
    for (const input of this.inputs) input.require(Level.none);
  }

  /** Merges this edge into `target`, which has the same key. `target` takes over the consumers and the keys of the inputs. */
  #mergeInto(target: EdgeNode<R>): void {
    target.adoptInputKeys(this.inputs);
    this.#setState({ kind: "merged", into: target });
    this.vertex.index.remove(this);
    this.#search.cancel();
    this.#making.cancel();
    for (const input of this.inputs) input.require(Level.none);
    this.vertex.mergedInto(target.vertex);
    this.#consumers.moveTo(target);
  }

  #onKeys(): void {
    this.vertex.index.add(this);
    this.#consumers.wake();
  }

  /** Handles an error of the op: retries if an unreadable input was rolled back, otherwise the vertex has failed. */
  #onError(error: unknown): void {
    const isUnreadable = this.vertex.unreadable(error);
    if (isUnreadable === undefined) return this.#failWith(error);
    this.#making.run(async (signal) => {
      const wasRolledBack = await this.vertex.rollBackInputs(this, isUnreadable, error);
      if (signal.aborted) return;
      if (wasRolledBack) this.#retry();
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

  #goIdle(): void {
    this.#search.cancel();
    this.#stopMaking();
    for (const input of this.inputs) input.require(Level.none);
  }

  #stopMaking(): void {
    const { kind } = this.#state;
    if (kind !== "gathering" && kind !== "loading" && kind !== "executing") return;
    this.#making.cancel();
    this.#setState({ kind: "matching", level: this.level });
  }

  #setLevel(level: Level): void {
    if (this.#state.kind === "matching" && this.#state.level !== level) this.#setState({ kind: "matching", level });
  }

  #setState(state: EdgeState<R>): void {
    this.#state = state;
    this.#consumers.wake();
  }
}
