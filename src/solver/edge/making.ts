import { messageOf, throwIfAborted } from "../../core/index.ts";
import type { Origin, VertexNode } from "./nodes.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import type { Input } from "./input.ts";
import type { CacheKey } from "../cache/key.ts";
import type { Search } from "./search.ts";
import { Work } from "./work.ts";

/** What the making of a result tells the edge it belongs to. */
export interface MakingListener<R> {
  made(result: R, origin: Origin<R>, startedAt?: number): void;
  /** The record is out; others may do. */
  loadFailed(): void;
  failed(error: unknown): void;
  ended(): void;
}

/** Everything that brings about one edge's result: readies inputs, loads a record or executes the op, and saves. */
export class Making<R> {
  readonly #vertex: VertexNode<R>;
  readonly #output: number;
  readonly #search: Search<R>;
  readonly #listener: MakingListener<R>;
  readonly #work: Work;
  #isRemade = false;

  constructor(vertex: VertexNode<R>, output: number, search: Search<R>, listener: MakingListener<R>) {
    this.#vertex = vertex;
    this.#output = output;
    this.#search = search;
    this.#listener = listener;
    this.#work = new Work(
      (error) => listener.failed(error),
      () => listener.ended(),
    );
  }

  /** Executed although there was a record for the key, which the inputs could not be used to find. */
  get isRemade(): boolean {
    return this.#isRemade;
  }

  /** Readies an input that has been made. */
  preload(input: Input<R>): void {
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
      const { results, startedAt } = await this.#vertex.op.execute(inputs, signal);
      const result = results[this.#output] as R;
      this.#listener.made(result, { kind: "executed", records: await this.#save(result) }, startedAt);
    });
  }

  /** Runs something besides, to be called off with the rest. */
  run(work: (signal: AbortSignal) => Promise<void>): void {
    this.#work.start(work);
  }

  callOff(): void {
    this.#work.callOff();
  }

  async ended(): Promise<void> {
    await this.#work.ended();
  }

  /** Saves a result under every key. */
  async #save(result: R): Promise<CacheRecord<R>[]> {
    this.#search.refreshKeys();
    const records: CacheRecord<R>[] = [];
    const createdAt = Date.now();
    for (const key of this.#search.keys) {
      const wasFound = key.isFound;
      const { record, isNewKey } = await this.#vertex.cache.main.save(key, result, createdAt);
      if (record !== undefined) records.push(record);
      if (!wasFound && !isNewKey) this.#isRemade = true;
    }
    return records;
  }
}
