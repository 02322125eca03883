import { throwIfAborted } from "../core/index.ts";
import type { ActiveVertex } from "./active-vertex.ts";
import type { CacheRecord } from "./cache-manager.ts";
import { type EdgeState, type Origin, levelOf } from "./edge-state.ts";
import { Level, explore, isExhausted } from "./explore.ts";
import { Input } from "./input.ts";
import { CacheKey } from "./key.ts";
import { Matcher } from "./matcher.ts";
import type { CandidateTrace, VertexTrace } from "./trace.ts";
import { outcomeOf } from "./trace-outcome.ts";
import type { CacheMap } from "./vertex.ts";
import { Work } from "./work.ts";

/** Who wants an edge: an input of another edge, or a solve. */
export interface Consumer {
  /** Something about the edge has changed. */
  wake(): void;
}

let serial = 0;

/**
 * One output of a vertex on its way to a result.
 *
 * Consumers say how far they want it; it wants its own inputs as far as it takes to get there, and no further. `step` looks
 * at what is known and starts what is missing; whatever ends wakes the edge again.
 */
export class Edge<R> {
  readonly #serial = (serial += 1);
  readonly vertex: ActiveVertex<R>;
  readonly output: number;
  readonly inputs: readonly Input<R>[];
  readonly #matcher: Matcher<R>;
  readonly #consumers = new Map<Consumer, Level>();
  readonly #maps: CacheMap<R>[] = [];
  readonly #keys: CacheKey[] = [];
  readonly #candidates: CandidateTrace[] = [];
  /** Finding out keys. */
  readonly #search: Work;
  /** Making inputs ready, loading, executing. */
  readonly #making: Work;
  #state: EdgeState<R> = { kind: "matching", level: Level.none };
  /** Executed although there was a record for its key, which its inputs could not be used to find. */
  #isRemade = false;
  #mapping: "idle" | "asking" | "done" = "idle";

  constructor(vertex: ActiveVertex<R>, output: number) {
    this.vertex = vertex;
    this.output = output;
    this.inputs = vertex.inputs.map((source, index) => new Input(this, source.vertex.edge(source.output), index));
    this.#matcher = new Matcher(vertex.cache, this.inputs);
    const onError = (error: unknown): void => this.#onError(error);
    const onEnd = (): void => this.wake();
    this.#search = new Work(onError, onEnd);
    this.#making = new Work(onError, onEnd);
  }

  get state(): EdgeState<R> {
    return this.#state;
  }

  get level(): Level {
    return levelOf(this.#state);
  }

  get keys(): readonly CacheKey[] {
    return this.#keys;
  }

  get isIgnored(): boolean {
    return this.vertex.ignoreCache;
  }

  /** Ids of the records its keys have led to. */
  get found(): readonly string[] {
    return this.#matcher.found;
  }

  /** This edge, or the one it was merged into. */
  resolved(): Edge<R> {
    return this.#state.kind === "merged" ? this.#state.into.resolved() : this;
  }

  /**
   * Keys a consumer may look for records with. None of an edge that ignores the cache, nor of one that was made again on
   * top of such a one: what was recorded below their keys came from an older result.
   */
  offers(): readonly CacheKey[] {
    return this.isIgnored || this.#isRemade ? [] : this.#keys.filter((key) => key.isRoot || key.isFound);
  }

  /** Keys that stand for this edge, to save a result by. */
  knownKeys(): readonly CacheKey[] {
    return this.#state.kind === "complete" ? this.#keys : this.offers();
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

  wake(): void {
    this.vertex.wake(this);
  }

  /** Looks at what is known and starts what is missing. */
  step(): void {
    if (this.#state.kind === "complete" || this.#state.kind === "failed" || this.#state.kind === "merged") return;
    const demand = Math.max(Level.none, ...this.#consumers.values()) as Level;
    if (demand < Level.complete) this.#stopMaking();
    if (demand === Level.none) return this.#rest();
    if (this.#state.kind === "loading" || this.#state.kind === "executing") return;
    const failed = this.inputs.find(({ edge, want }) => want > Level.none && edge.state.kind === "failed");
    if (failed?.edge.state.kind === "failed") return this.fail(failed.edge.state.error);
    const [key] = this.#keys;
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
    for (const record of origin.records) {
      this.#matcher.reject(record);
      this.#noteCandidate(record, { kind: "failed", reason });
    }
    this.#matcher.forgetRecords();
    this.vertex.op.forget();
    this.#setState({ kind: "matching", level: Level.none });
    this.vertex.rolledBack(origin, reason);
    this.wake();
    for (const record of origin.records) await record.cache.keys.release(record.result.id);
  }

  trace(): VertexTrace {
    return {
      vertex: this.vertex.digest,
      name: this.vertex.name,
      output: this.output,
      ops: this.#maps.map(({ digest }) => digest),
      inputs: this.inputs.map((input) => input.trace()),
      candidates: [...this.#candidates],
      outcome: outcomeOf(this, this.#candidates),
    };
  }

  /** Resolves when work that was called off has ended. */
  async ended(): Promise<void> {
    await Promise.all([this.#search.ended(), this.#making.ended()]);
  }

  /** Starts with the cache map; meanwhile the inputs find out their definition keys. */
  #begin(): void {
    for (const input of this.inputs) input.require(Level.fast);
    this.#askMap();
  }

  #askMap(): void {
    if (this.#mapping !== "idle") return;
    this.#mapping = "asking";
    this.#search.start(async (signal) => {
      try {
        const { map, done } = await this.vertex.op.map(this.#maps.length, signal);
        await this.#addMap(map);
        if (done) this.#mapping = "done";
      } finally {
        if (this.#mapping === "asking") this.#mapping = "idle";
      }
    });
  }

  async #addMap(map: CacheMap<R>): Promise<void> {
    const { vertex, inputs, output } = this;
    const key = new CacheKey(map.digest, output, {
      inputs: inputs.length,
      vertex: vertex.digest,
      exportResult: vertex.exportCache,
    });
    if (key.isRoot && !this.isIgnored) await this.#matcher.find(key);
    this.#maps.push(map);
    this.#keys.push(key);
    for (const [index, input] of inputs.entries()) input.setMap(map.inputs[index] ?? {});
    vertex.index.add(this);
    this.#wakeConsumers();
  }

  #stepRoot(demand: Level): void {
    this.#reach(this.#mapping === "done" ? Level.slow : Level.fast);
    if (demand === Level.fast) return;
    if (demand === Level.complete && !this.isIgnored) {
      this.#fetch();
      if (this.#matcher.isBusy) return;
      if (this.#load()) return;
    }
    if (this.#mapping !== "done") return this.#askMap();
    if (demand === Level.complete) this.#execute();
  }

  #stepInputs(key: CacheKey, demand: Level): void {
    if (!this.isIgnored) this.#probe(key);
    const views = this.inputs.map((input) => input.view());
    if (!this.isIgnored && demand >= Level.slow) this.#fetch();
    const isDone = this.isIgnored || views.every(isExhausted) || this.#matcher.isStuck(views);
    const isFast = views.every(({ level, busy }) => level >= Level.fast && !busy);
    if (this.#state.kind === "matching") this.#reach(isDone ? Level.slow : isFast ? Level.fast : Level.none);
    if (demand === Level.complete && !this.#matcher.isBusy) {
      if (this.#load()) return;
      if (isDone) this.#setState({ kind: "gathering" });
    }
    if (this.#state.kind === "gathering") return this.#gather();
    if (isDone || this.#matcher.isFetching) return;
    for (const [index, { want, hash }] of explore(views, demand).entries()) {
      const input = this.inputs[index] as Input<R>;
      input.require(want);
      if (hash) this.#hash(input);
    }
  }

  #probe(key: CacheKey): void {
    for (const [input, probes] of this.#matcher.takeProbes(key)) {
      this.#search.start(async () => {
        const isNew = await this.#matcher.probe(key, input, probes);
        if (isNew) this.#keysChanged();
      });
    }
  }

  #fetch(): void {
    if (this.#matcher.needsFetch(this.#keys)) this.#search.start(() => this.#matcher.fetch(this.#keys));
  }

  #hash(input: Input<R>): void {
    const { state } = input.edge;
    const [map] = this.#maps;
    if (state.kind !== "complete" || map === undefined || input.content.kind !== "unknown") return;
    input.content = { kind: "computing" };
    this.#search.start(async (signal) => {
      try {
        input.setContent(await this.vertex.op.content(map, input.index, state.result, signal));
      } finally {
        if (input.content.kind === "computing") input.content = { kind: "unknown" };
      }
    });
  }

  /** Makes all inputs, and makes them ready as they come. */
  #gather(): void {
    for (const input of this.inputs) {
      input.require(Level.complete);
      if (input.edge.level < Level.complete) continue;
      this.#hash(input);
      this.#preload(input);
    }
    const isReady = this.inputs.every(
      ({ edge, content, preload }) =>
        edge.level === Level.complete &&
        content.kind !== "unknown" &&
        content.kind !== "computing" &&
        preload === "done",
    );
    if (isReady && !this.#matcher.isBusy) this.#execute();
  }

  #preload(input: Input<R>): void {
    const { state } = input.edge;
    const [map] = this.#maps;
    if (state.kind !== "complete" || map === undefined || input.preload !== "needed") return;
    input.preload = "running";
    this.#making.start(async (signal) => {
      try {
        await this.vertex.op.preload(map, input.index, state.result, signal);
        input.preload = "done";
      } finally {
        if (input.preload === "running") input.preload = "needed";
      }
    });
  }

  /** Loads the best record, if there is one. */
  #load(): boolean {
    const [record] = this.#matcher.records;
    const key = this.#keys.find((one) => record !== undefined && one.idsIn(record.cache.id).includes(record.key));
    if (record === undefined || key === undefined) return false;
    this.#setState({ kind: "loading", level: this.level, record });
    for (const input of this.inputs) input.require(Level.none);
    this.#making.start(async (signal) => {
      try {
        this.#refreshKeys();
        const { result, records } = await this.vertex.cache.load(record, key, { signal });
        this.#noteCandidate(record, { kind: "loaded" });
        this.#complete(result, { kind: "cached", cache: record.cache.id, records });
      } catch (error) {
        throwIfAborted(signal, "load a result");
        await this.#loadFailed(record, error);
      }
    });
    return true;
  }

  async #loadFailed(record: CacheRecord<R>, error: unknown): Promise<void> {
    this.#matcher.reject(record);
    const reason = error instanceof Error ? error.message : String(error);
    this.#noteCandidate(record, { kind: "failed", reason });
    await record.cache.forgetLost(record);
    this.#setState({ kind: "matching", level: Level.none });
  }

  #execute(): void {
    this.#setState({ kind: "executing" });
    this.#making.start(async (signal) => {
      const results = this.inputs.map(({ edge }) => (edge.state.kind === "complete" ? [edge.state.result] : []));
      const { results: made, startedAt } = await this.vertex.op.execute(results.flat(), signal);
      this.#refreshKeys();
      const records: CacheRecord<R>[] = [];
      const createdAt = Date.now();
      for (const key of this.#keys) {
        const wasFound = key.isFound;
        const { record, isNewKey } = await this.vertex.cache.main.save(key, made[this.output] as R, createdAt);
        if (record !== undefined) records.push(record);
        if (!wasFound && !isNewKey) this.#isRemade = true;
      }
      this.#complete(made[this.output] as R, { kind: "executed", records }, startedAt);
    });
  }

  #complete(result: R, origin: Origin<R>, startedAt?: number): void {
    if (this.#state.kind === "complete" || this.#state.kind === "failed" || this.#state.kind === "merged") return;
    this.vertex.retain(result);
    this.#setState({ kind: "complete", result, origin });
    this.vertex.completed(this, origin, startedAt);
    this.#search.callOff();
    this.#making.callOff();
    for (const input of this.inputs) input.require(Level.none);
  }

  /** Lets `twin`, which has the same key, stand for this edge. */
  #mergeInto(twin: Edge<R>): void {
    this.#refreshKeys();
    twin.#adopt(this);
    this.#setState({ kind: "merged", into: twin });
    this.#search.callOff();
    this.#making.callOff();
    for (const input of this.inputs) input.require(Level.none);
    this.vertex.mergedInto(twin.vertex);
    for (const [consumer, level] of this.#consumers) twin.require(consumer, level);
    for (const consumer of this.#consumers.keys()) consumer.wake();
    this.#consumers.clear();
  }

  /** Takes over what another edge with the same key knows of its inputs: more alternatives to save and export. */
  #adopt(other: Edge<R>): void {
    for (const input of other.inputs)
      for (const alternative of input.alternatives()) this.#keys[0]?.addAlternative(input.index, alternative);
  }

  #refreshKeys(): void {
    for (const input of this.inputs)
      for (const alternative of input.alternatives())
        for (const key of this.#keys) key.addAlternative(input.index, alternative);
  }

  #keysChanged(): void {
    this.#refreshKeys();
    this.#wakeConsumers();
  }

  /** An error of the op: either some input's result cannot be read, which is mended, or the vertex has failed. */
  #onError(error: unknown): void {
    const isUnreadable = this.vertex.unreadable(error);
    if (isUnreadable === undefined) return this.#failWith(error);
    this.#making.start(async (signal) => {
      const wasMended = await this.vertex.rollBackInputs(this, isUnreadable, error);
      if (signal.aborted) return;
      if (wasMended) this.#retry();
      else this.#failWith(error);
    });
  }

  #retry(): void {
    for (const input of this.inputs) if (input.edge.level < Level.complete) input.forgetResult();
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

  #noteCandidate(record: CacheRecord<R>, outcome: CandidateTrace["outcome"]): void {
    const { cache, key, result } = record;
    this.#candidates.push({ cache: cache.id, record: key, result: result.id, createdAt: result.createdAt, outcome });
  }
}
