import type { InputNode, VertexNode } from "./nodes.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import type { EdgeInput } from "./edge-input.ts";
import type { InputTracker } from "./input-tracker.ts";
import { CacheKey } from "../cache/key.ts";
import { Matcher } from "./matcher.ts";
import type { CandidateTrace } from "../trace.ts";
import type { CacheMap } from "../vertex.ts";
import { CancellableWork } from "./cancellable-work.ts";

/** Callbacks to the edge that searches. */
export interface KeySearchListener {
  /** The edge has a new key, or a key was found at a new location. */
  keysChanged(): void;
  failed(error: unknown): void;
  ended(): void;
}

/** Computes the cache keys of one edge and looks them up: asks the op for cache maps and content digests, and the caches for records. */
export class KeySearch<R> {
  readonly matcher: Matcher<R>;
  readonly maps: CacheMap<R>[] = [];
  /** One key for each cache map. */
  readonly keys: CacheKey[] = [];
  readonly candidates: CandidateTrace[] = [];
  readonly #vertex: VertexNode<R>;
  readonly #output: number;
  readonly #inputs: InputTracker<R>;
  readonly #listener: KeySearchListener;
  readonly #work: CancellableWork;
  #askedRevision: string | undefined;
  #mapping: "idle" | "asking" | "done" = "idle";

  constructor(vertex: VertexNode<R>, output: number, inputs: InputTracker<R>, listener: KeySearchListener) {
    this.#vertex = vertex;
    this.#output = output;
    this.#inputs = inputs;
    this.#listener = listener;
    const { maxAge } = vertex;
    this.matcher = new Matcher(vertex.cache, inputs.list, {
      maxAge,
      expired: (record) => this.note(record, { kind: "expired" }),
    });
    this.#work = new CancellableWork(
      (error) => listener.failed(error),
      () => listener.ended(),
    );
  }

  /** True if the op has no further cache map. */
  get isMapped(): boolean {
    return this.#mapping === "done";
  }

  /** Requests the next cache map, unless there is none or a request is running. */
  askMap(): void {
    if (this.#mapping !== "idle") return;
    this.#mapping = "asking";
    this.#work.start(async (signal) => {
      try {
        const { map, done } = await this.#vertex.op.map(this.maps.length, signal);
        await this.#add(map);
        if (done) this.#mapping = "done";
      } finally {
        if (this.#mapping === "asking") this.#mapping = "idle";
      }
    });
  }

  /** Looks up the keys of inputs that were not looked up yet. */
  probe(key: CacheKey): void {
    const { cache } = this.#vertex;
    if (cache.revision !== this.#askedRevision) this.#inputs.askAll();
    this.#askedRevision = cache.revision;
    for (const [input, probes] of this.matcher.takeProbes(key, this.#inputs.takeUnasked())) {
      this.#work.start(async () => {
        const isNew = await this.matcher.probe(key, input, probes);
        if (isNew) this.#keysChanged();
      });
    }
  }

  /** Fetches the results of the records that were found. */
  fetch(): void {
    if (this.matcher.needsFetch(this.keys)) this.#work.start(() => this.matcher.fetch(this.keys));
  }

  /** Computes the content digest of an input that has a result, once. */
  hash(input: EdgeInput<R>): void {
    const { state } = input.edge;
    const [map] = this.maps;
    if (state.kind !== "complete" || map === undefined || input.content.kind !== "unknown") return;
    input.content = { kind: "computing" };
    input.noteRead(state.result);
    this.#work.start(async (signal) => {
      try {
        input.setContent(await this.#vertex.op.content(map, input.index, state.result, signal));
      } finally {
        if (input.content.kind === "computing") input.content = { kind: "unknown" };
      }
    });
  }

  /** Returns the best record, with the key it was found for. */
  best(): { readonly record: CacheRecord<R>; readonly key: CacheKey } | undefined {
    const [record] = this.matcher.records;
    if (record === undefined) return undefined;
    const key = this.keys.find((candidate) => candidate.idsIn(record.cache.id).includes(record.key));
    return key === undefined ? undefined : { record, key };
  }

  /** True if a record that is found has to become the newest one of its key; see `EdgeInput.isRemade`. */
  get isRefound(): boolean {
    return this.#vertex.maxAge === undefined && this.#inputs.list.some(({ isRemade }) => isRemade);
  }

  /** Adds all known keys of `inputs` to this edge's keys as alternatives. */
  refreshKeys(inputs: readonly InputNode<R>[] = this.#inputs.list): void {
    for (const input of inputs)
      for (const alternative of input.alternatives())
        for (const key of this.keys) key.addAlternative(input.index, alternative);
  }

  /** Excludes a record that could not be loaded, and adds it to the trace. */
  reject(record: CacheRecord<R>, reason: string): void {
    this.matcher.reject(record);
    this.note(record, { kind: "failed", reason });
  }

  /** Adds a candidate to the trace. */
  note({ cache, key, result }: CacheRecord<R>, outcome: CandidateTrace["outcome"]): void {
    this.candidates.push({ cache: cache.id, record: key, result: result.id, createdAt: result.createdAt, outcome });
  }

  cancel(): void {
    this.#work.cancel();
  }

  async ended(): Promise<void> {
    await this.#work.ended();
  }

  async #add(map: CacheMap<R>): Promise<void> {
    const { digest: vertex, exportCache: exportResult } = this.#vertex;
    const key = new CacheKey(map.digest, this.#output, { inputs: this.#inputs.list.length, vertex, exportResult });
    if (key.isRoot && !this.#vertex.ignoreCache) await this.matcher.find(key);
    this.maps.push(map);
    this.keys.push(key);
    for (const [index, input] of this.#inputs.list.entries()) input.setMap(map.inputs[index] ?? {});
    this.#listener.keysChanged();
  }

  #keysChanged(): void {
    this.refreshKeys();
    this.#listener.keysChanged();
  }
}
