import type { Database } from "../state/index.ts";
import { type RecordRow, decodeRecord, encodeRecord } from "./codec.ts";
import type { BuildRecord, HistoryLimits } from "./types.ts";

/** Number of builds that are not pinned and stay although they are young. */
const MAX_YOUNG = 2000;

/** The rows of builds that have ended. */
export class RecordTable {
  readonly #state: Database;

  constructor(state: Database) {
    this.#state = state;
  }

  get(ref: string): BuildRecord | undefined {
    const row = this.#state.get<RecordRow>("SELECT * FROM build_record WHERE ref = ?", ref);
    return row && decodeRecord(row);
  }

  /**
   * Returns the builds that exist now, or the one of a ref. Each is read when it is asked for, because there may be thousands of several
   * MiB. Those that are deleted meanwhile are left out.
   */
  newestFirst(ref: string | undefined): Iterable<BuildRecord> {
    const rows =
      ref === undefined
        ? this.#state.all<{ id: number }>("SELECT rowid AS id FROM build_record ORDER BY created_at DESC, ref")
        : this.#state.all<{ id: number }>("SELECT rowid AS id FROM build_record WHERE ref = ?", ref);
    return this.#read(rows.map(({ id }) => id));
  }

  *#read(rows: readonly number[]): Generator<BuildRecord> {
    for (const id of rows) {
      const row = this.#state.get<RecordRow>("SELECT * FROM build_record WHERE rowid = ?", id);
      if (row !== undefined) yield decodeRecord(row);
    }
  }

  /** Inserts a build, or replaces the one of its ref. */
  put(record: BuildRecord): void {
    this.#state.run(
      `INSERT INTO build_record (ref, created_at, completed_at, is_pinned, data) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (ref) DO UPDATE SET created_at = excluded.created_at, completed_at = excluded.completed_at,
           is_pinned = excluded.is_pinned, data = excluded.data`,
      record.ref,
      record.createdAt,
      record.completedAt ?? record.createdAt,
      record.isPinned ? 1 : 0,
      encodeRecord(record),
    );
  }

  /** Returns false if there is no such build. */
  delete(ref: string): boolean {
    return this.#state.run("DELETE FROM build_record WHERE ref = ?", ref).changes > 0;
  }

  /** Returns the builds that are not pinned and beyond both limits, or beyond the newest 2,000. */
  beyond({ maxEntries, maxAge }: HistoryLimits, now: number): string[] {
    const rows = this.#state.all<{ ref: string; completed_at: number }>(
      "SELECT ref, completed_at FROM build_record WHERE is_pinned = 0 ORDER BY completed_at DESC LIMIT -1 OFFSET ?",
      maxEntries,
    );
    const isOld = (row: { completed_at: number }, index: number): boolean =>
      row.completed_at < now - maxAge || maxEntries + index >= MAX_YOUNG;
    return rows.filter(isOld).map(({ ref }) => ref);
  }
}
