import { VarveError } from "../../core/index.ts";
import type { CacheResultStore, StoredResult } from "./store.ts";

/** A cache result store in memory. Two results are the same if `Map` treats them as equal keys. */
export class MemoryResultStore<R> implements CacheResultStore<R> {
  readonly #results = new Map<string, { readonly value: R }>();
  readonly #ids = new Map<R, string>();
  #last = 0;

  save(result: R, createdAt: number): StoredResult {
    const id = this.#ids.get(result) ?? `result-${(this.#last += 1)}`;
    this.#ids.set(result, id);
    this.#results.set(id, { value: result });
    return { id, createdAt };
  }

  load(result: StoredResult): R {
    const stored = this.#results.get(result.id);
    if (stored !== undefined) return stored.value;
    throw new VarveError("not-found", `Cannot load result ${result.id}: it does not exist`);
  }

  exists(result: string): boolean {
    return this.#results.has(result);
  }

  /** Removes a result: tests use it to simulate one that was lost. */
  delete(result: string): void {
    const stored = this.#results.get(result);
    if (stored === undefined) return;
    this.#results.delete(result);
    this.#ids.delete(stored.value);
  }
}
