/** The tables of one module. Only that module reads and writes them. */
export interface Tables {
  /** Unique in a database, and never changed. */
  readonly name: string;
  /**
   * What brings the tables from version n (the index) to n + 1. A migration that has been released is never edited: a change
   * of the tables is a new one at the end.
   */
  readonly migrations: readonly string[];
}
