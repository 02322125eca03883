import { VarveError, messageOf, throwIfAborted } from "../../core/index.ts";
import type { Origin, VertexNode } from "./nodes.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import type { EdgeInput } from "./edge-input.ts";
import type { CacheKey } from "../cache/key.ts";
import type { KeySearch } from "./key-search.ts";
import { CancellableWork } from "./cancellable-work.ts";

/** Callbacks to the edge that needs the result. */
export interface ResultMakerListener<R> {
  made(result: R, origin: Origin<R>, startedAt?: number): void;
  /** The record could not be loaded and is rejected. Other records may be usable. */
  loadFailed(): void;
  failed(error: unknown): void;
  ended(): void;
}

/** Produces the result of one edge: prepares inputs, loads a record or executes the op, and saves the result. */
export class ResultMaker<R> {
  readonly #vertex: VertexNode<R>;
  readonly #output: number;
  readonly #search: KeySearch<R>;
  readonly #listener: ResultMakerListener<R>;
  readonly #work: CancellableWork;
  #isRemade = false;

  constructor(vertex: VertexNode<R>, output: number, search: KeySearch<R>, listener: ResultMakerListener<R>) {
    this.#vertex = vertex;
    this.#output = output;
    this.#search = search;
    this.#listener = listener;
    this.#work = new CancellableWork(
      (error) => listener.failed(error),
      () => listener.ended(),
    );
  }

  /** True if the op was executed although a record of its key existed, because the keys of its inputs may not be used to search. */
  get isRemade(): boolean {
    return this.#isRemade;
  }

  /** Prepares an input that has a result, once. */
  preload(input: EdgeInput<R>): void {
    const { state } = input.edge;
    const [map] = this.#search.maps;
    if (state.kind !== "complete" || map === undefined || input.preload !== "needed") return;
    input.preload = "running";
    input.noteRead(state.result);
    this.#work.start(async (signal) => {
      try {
        await this.#vertex.op.preload(map, input.index, state.result, signal);
        input.preload = "done";
      } finally {
        if (input.preload === "running") input.preload = "needed";
      }
    });
  }

  load(record: CacheRecord<R>, key: CacheKey): void {
    this.#work.start(async (signal) => {
      try {
        this.#search.refreshKeys();
        const { result, records } = await this.#vertex.cache.load(record, key, { signal });
        this.#search.note(record, { kind: "loaded" });
        if (this.#search.isRefound) await this.#vertex.cache.main.save(key, result, Date.now());
        this.#listener.made(result, { kind: "cached", cache: record.cache.id, records });
      } catch (error) {
        throwIfAborted(signal, "load a result");
        this.#search.reject(record, messageOf(error));
        await record.cache.forgetLost(record);
        throwIfAborted(signal, "load a result");
        this.#listener.loadFailed();
      }
    });
  }

  execute(inputs: readonly R[]): void {
    this.#work.start(async (signal) => {
      const { results, recalled, startedAt } = await this.#vertex.op.execute(inputs, signal);
      if (results.length <= this.#output)
        throw new VarveError("internal", `Cannot use output ${this.#output} of ${this.#vertex.name}: it has no result`);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- R may include undefined; the length was checked above
      const result = results[this.#output] as R;
      const records = await this.#save(result, recalled?.createdAt ?? Date.now());
      if (recalled === undefined) this.#listener.made(result, { kind: "executed", records }, startedAt);
      else this.#listener.made(result, { kind: "cached", cache: recalled.cache, records });
    });
  }

  /** Runs other work that is cancelled together with the rest. */
  run(work: (signal: AbortSignal) => Promise<void>): void {
    this.#work.start(work);
  }

  cancel(): void {
    this.#work.cancel();
  }

  async ended(): Promise<void> {
    await this.#work.ended();
  }

  /** Saves a result under every key of the edge. */
  async #save(result: R, createdAt: number): Promise<CacheRecord<R>[]> {
    this.#search.refreshKeys();
    const records: CacheRecord<R>[] = [];
    for (const key of this.#search.keys) {
      const wasFound = key.isFound;
      const { record, isNewKey } = await this.#vertex.cache.main.save(key, result, createdAt);
      if (record !== undefined) records.push(record);
      if (!wasFound && !isNewKey) this.#isRemade = true;
    }
    return records;
  }
}
