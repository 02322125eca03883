import { VarveError } from "../../core/index.ts";
import type { CacheResultStore, StoredResult } from "./store.ts";

/** A result store that keeps the results themselves, for as long as its process lives. */
export class MemoryResultStore<R> implements CacheResultStore<R> {
  readonly #results = new Map<string, R>();
  readonly #ids = new Map<R, string>();
  #last = 0;

  save(result: R, createdAt: number): StoredResult {
    const id = this.#ids.get(result) ?? `result-${(this.#last += 1)}`;
    this.#ids.set(result, id);
    this.#results.set(id, result);
    return { id, createdAt };
  }

  load(result: StoredResult): R {
    if (!this.#results.has(result.id))
      throw new VarveError("not-found", `Cannot load result ${result.id}: it does not exist`);
    return this.#results.get(result.id) as R;
  }

  exists(result: string): boolean {
    return this.#results.has(result);
  }

  delete(result: string): void {
    const value = this.#results.get(result) as R;
    if (this.#results.delete(result)) this.#ids.delete(value);
  }
}
