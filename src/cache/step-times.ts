import type { Database, Tables } from "../state/index.ts";

/** How long steps took when they last ran, in milliseconds. `step` is a name that the caller chose. */
const stepTimeTables: Tables = {
  name: "step_time",
  migrations: [
    "CREATE TABLE step_time (step TEXT PRIMARY KEY, ms INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  ],
};

/** Maximum number of steps; the oldest ones are removed. */
const MAX_STEPS = 10_000;

/** Records how long steps took, for plans. The table is created when the first step has run. */
export class StepTimes {
  readonly #state: Database;

  constructor(state: Database) {
    this.#state = state;
  }

  /** A full disk is no error: then nothing is recorded. */
  save(step: string, ms: number): void {
    const now = Date.now();
    this.#state.install(stepTimeTables);
    this.#state.note("INSERT OR REPLACE INTO step_time VALUES (?, ?, ?)", step, Math.round(ms), now);
    if (now % 64 !== 0) return;
    const sql = "DELETE FROM step_time WHERE step IN (SELECT step FROM step_time ORDER BY at DESC LIMIT -1 OFFSET ?)";
    this.#state.note(sql, MAX_STEPS);
  }

  /** Returns how long a step took the last time, in milliseconds. */
  last(step: string): number | undefined {
    this.#state.install(stepTimeTables);
    return this.#state.get<{ ms: number }>("SELECT ms FROM step_time WHERE step = ?", step)?.ms;
  }
}
