import { VarveError } from "../core/index.ts";
import type { CacheResultStore, StoredResult } from "../solver/index.ts";

/** Where results live: something that gives each a name that outlasts the process, and the result back for the name. */
export interface ResultTable<R> {
  /** Undefined if what the name stood for is gone. */
  get(id: string): R | undefined;
  /** Undefined if this result has no name that lasts. */
  id(result: R): string | undefined;
}

/** Remembers results by their names in a table, and only there: a result whose entry is gone does not exist. */
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
    if (result === undefined) throw new VarveError("not-found", `Cannot load cached result ${id}: it is gone`);
    return result;
  }

  exists(id: string): boolean {
    return this.#table.get(id) !== undefined;
  }
}
