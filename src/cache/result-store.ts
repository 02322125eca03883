import { VarveError } from "../core/index.ts";
import type { CacheResultStore, StoredResult } from "../solver/index.ts";

/** Where results are kept: it gives each result an id that outlives the process, and returns the result for an id. */
export interface ResultTable<R> {
  /** Returns a result, or undefined if it no longer exists. */
  get(id: string): R | undefined;
  /** Returns the id of a result, or undefined if the result has none that outlives the process. */
  id(result: R): string | undefined;
}

/** A cache result store that stores only ids: a result exists as long as its table has it. */
export class TableResultStore<R> implements CacheResultStore<R> {
  readonly #table: ResultTable<R>;

  constructor(table: ResultTable<R>) {
    this.#table = table;
  }

  save(result: R, createdAt: number): StoredResult | undefined {
    const id = this.#table.id(result);
    return id === undefined ? undefined : { id, createdAt };
  }

  load({ id }: StoredResult): R {
    const result = this.#table.get(id);
    if (result === undefined) throw new VarveError("not-found", `Cannot load cached result ${id}: it no longer exists`);
    return result;
  }

  exists(id: string): boolean {
    return this.#table.get(id) !== undefined;
  }
}
