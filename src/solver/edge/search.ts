import type { InputNode, VertexNode } from "./nodes.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import type { Input } from "./input.ts";
import type { Inputs } from "./inputs.ts";
import { CacheKey } from "../cache/key.ts";
import { Matcher } from "./matcher.ts";
import type { CandidateTrace } from "../trace.ts";
import type { CacheMap } from "../vertex.ts";
import { Work } from "./work.ts";

/** What a search tells the edge it belongs to. */
export interface SearchListener {
  /** The edge has a key it did not have, or a key was found where it was not known to be. */
  keysChanged(): void;
  failed(error: unknown): void;
  ended(): void;
}

/** Everything about one edge's keys: computes cache maps and content digests, and asks the caches. */
export class Search<R> {
  readonly matcher: Matcher<R>;
  readonly maps: CacheMap<R>[] = [];
  /** One a cache map. */
  readonly keys: CacheKey[] = [];
  readonly candidates: CandidateTrace[] = [];
  readonly #vertex: VertexNode<R>;
  readonly #output: number;
  readonly #inputs: Inputs<R>;
  readonly #listener: SearchListener;
  readonly #work: Work;
  #askedRevision: string | undefined;
  #mapping: "idle" | "asking" | "done" = "idle";

  constructor(vertex: VertexNode<R>, output: number, inputs: Inputs<R>, listener: SearchListener) {
    this.#vertex = vertex;
    this.#output = output;
    this.#inputs = inputs;
    this.#listener = listener;
    this.matcher = new Matcher(vertex.cache, inputs.list);
    this.#work = new Work(
      (error) => listener.failed(error),
      () => listener.ended(),
    );
  }

  /** There is no further cache map. */
  get isMapped(): boolean {
    return this.#mapping === "done";
  }

  /** Asks for the next cache map, if there is one and nobody is asking. */
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

  /** Asks the caches about inputs' keys they were not asked about. */
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

  /** Fetches the results of records that were found. */
  fetch(): void {
    if (this.matcher.needsFetch(this.keys)) this.#work.start(() => this.matcher.fetch(this.keys));
  }

  /** Digests the content of an input that has been made. */
  hash(input: Input<R>): void {
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

  /** The record to take first, with the key it was found for. */
  best(): { readonly record: CacheRecord<R>; readonly key: CacheKey } | undefined {
    const [record] = this.matcher.records;
    if (record === undefined) return undefined;
    const key = this.keys.find((one) => one.idsIn(record.cache.id).includes(record.key));
    return key === undefined ? undefined : { record, key };
  }

  /** Takes what `inputs` are known by into the keys. */
  refreshKeys(inputs: readonly InputNode<R>[] = this.#inputs.list): void {
    for (const input of inputs)
      for (const alternative of input.alternatives())
        for (const key of this.keys) key.addAlternative(input.index, alternative);
  }

  reject(record: CacheRecord<R>, reason: string): void {
    this.matcher.reject(record);
    this.note(record, { kind: "failed", reason });
  }

  note({ cache, key, result }: CacheRecord<R>, outcome: CandidateTrace["outcome"]): void {
    this.candidates.push({ cache: cache.id, record: key, result: result.id, createdAt: result.createdAt, outcome });
  }

  callOff(): void {
    this.#work.callOff();
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
