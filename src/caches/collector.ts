import { VarveError } from "../core/index.ts";
import type { Store } from "../engine/index.ts";
import type { PruneRequest } from "../record/index.ts";
import { type CollectionSettings, collectionRequests } from "./policies.ts";
import { type PruneReport, pruneAll } from "./prune.ts";

export interface CollectorOptions {
  /** Milliseconds from a build's end to the collection. Default: one second. */
  readonly delay?: number | undefined;
  /** Least milliseconds from the start of a collection to that of the next. Default: one minute. */
  readonly interval?: number | undefined;
  /** Called with the outcome of each collection. */
  readonly onCollected?: ((report: PruneReport) => void) | undefined;
  /** Called if a collection fails. The next one is not affected. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * Collects a store's cache by policies, in a server: shortly after builds, one collection at a time. It removes nothing that a build
 * uses. Disposal waits for a running collection, which it cancels.
 */
export class Collector implements AsyncDisposable {
  readonly #store: Store;
  readonly #settings: CollectionSettings;
  readonly #options: CollectorOptions;
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #startedAt = -Infinity;

  constructor(store: Store, settings: CollectionSettings = {}, options: CollectorOptions = {}) {
    this.#store = store;
    this.#settings = settings;
    this.#options = options;
  }

  /** Returns the policies as prune requests, with sizes for the store's disk. */
  async policies(): Promise<PruneRequest[]> {
    return await collectionRequests(this.#settings, this.#store.root);
  }

  /** Lets a collection follow soon. A server calls it when it starts, and after each build. Returns at once. */
  schedule(): void {
    if (this.#settings.enabled === false || this.#end.signal.aborted || this.#timer !== undefined) return;
    if (this.#running !== undefined) {
      this.#isWanted = true;
      return;
    }
    const { delay = 1000, interval = 60_000 } = this.#options;
    const wait = Math.max(delay, this.#startedAt + interval - performance.now());
    this.#timer = setTimeout(() => this.#start(), wait);
    this.#timer.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new VarveError("cancelled", "Cannot collect: the server stops"));
    clearTimeout(this.#timer);
    await this.#running;
  }

  #start(): void {
    this.#timer = undefined;
    this.#startedAt = performance.now();
    this.#running = this.#collect();
  }

  async #collect(): Promise<void> {
    const { onCollected, onError } = this.#options;
    try {
      const report = await pruneAll(this.#store, await this.policies(), { signal: this.#end.signal });
      onCollected?.(report);
    } catch (error) {
      if (!this.#end.signal.aborted) onError?.(error);
    } finally {
      this.#running = undefined;
    }
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.schedule();
  }
}
