/** The tables of one module. Only that module reads and writes them. */
export interface Tables {
  /** Unique in the database. Must never change. */
  readonly name: string;
  /**
   * SQL that migrates the tables from version n (the index) to n + 1. A released migration is never edited: append a new one.
   */
  readonly migrations: readonly string[];
}
