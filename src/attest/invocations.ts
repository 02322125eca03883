import { randomInt } from "node:crypto";
import { type Digest, digestOf } from "../core/index.ts";
import type { Database } from "../state/index.ts";
import type { Invocation } from "./provenance/predicate.ts";
import { attestTables } from "./schema.ts";

/** Maximum number of runs that are remembered. Those that were not used for the longest time are forgotten. */
const MAX_ENTRIES = 10_000;
const ID_LENGTH = 25;
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

/**
 * The runs that made results, so that a build whose result was there before names the run that made it, and its provenance and the index
 * of its image have the same digest again.
 */
export class Invocations {
  readonly #state: Database;

  constructor(state: Database) {
    this.#state = state;
    state.install(attestTables);
  }

  /**
   * Returns the run to name for a result. `provenance` is what is said about the result apart from the run. If `isCached`, the run that
   * made it, if it is known; else `own`, which is remembered.
   */
  of(provenance: string, own: Invocation, isCached: boolean): Invocation {
    const key = digestOf(Buffer.from(provenance));
    return this.#state.transaction(() => {
      const known = isCached ? this.#find(key) : undefined;
      if (known === undefined) this.#store(key, own);
      else this.#state.run("UPDATE invocation SET used_at = ? WHERE provenance = ?", Date.now(), key);
      return known ?? own;
    });
  }

  #find(key: Digest): Invocation | undefined {
    const row = this.#state.get<{ id: string; started_on: string; finished_on: string }>(
      "SELECT id, started_on, finished_on FROM invocation WHERE provenance = ?",
      key,
    );
    return row && { id: row.id, startedOn: row.started_on, finishedOn: row.finished_on };
  }

  #store(key: Digest, { id, startedOn, finishedOn }: Invocation): void {
    this.#state.run(
      "INSERT OR REPLACE INTO invocation VALUES (?, ?, ?, ?, ?)",
      key,
      id,
      startedOn,
      finishedOn,
      Date.now(),
    );
    this.#state.run(
      "DELETE FROM invocation WHERE provenance IN (SELECT provenance FROM invocation ORDER BY used_at DESC LIMIT -1 OFFSET ?)",
      MAX_ENTRIES,
    );
  }
}

/** Returns a new id of a run: 25 small letters and digits, as BuildKit's. */
export function newInvocationId(): string {
  return Array.from({ length: ID_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
