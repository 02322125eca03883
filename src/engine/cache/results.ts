import { isVarveError } from "../../core/index.ts";
import { type ResultTable, localCache } from "../../cache/index.ts";
import { type Records, SCRATCH } from "../../record/index.ts";
import { Solver } from "../../solver/index.ts";
import type { Database } from "../../state/index.ts";
import type { LostBlobs } from "./lost-blobs.ts";
import { type Result, recordResult } from "../ops/result.ts";

/**
 * Results as the embedded cache names them: by their records. A context directory has no name that lasts. Of records that
 * need a lost blob there are none.
 */
export function resultTable(records: Records, lost?: LostBlobs): ResultTable<Result> {
  const isThere = (id: string): boolean => records.get(id) !== undefined && lost?.breaks(id) !== true;
  return {
    get: (id) => (id === SCRATCH || isThere(id) ? recordResult(id) : undefined),
    id: (result) => (result.kind === "record" ? result.id : undefined),
  };
}

/** The solver of a store: all builds in it share what they have in common. */
export function openSolver(state: Database, records: Records, lostBlobs: LostBlobs): Solver<Result> {
  return new Solver({
    cache: localCache(state, resultTable(records, lostBlobs)),
    unreadable: (error) => unreadableResults(error, { records, lostBlobs }),
  });
}

/**
 * Which results an error says cannot be read: it names a record, and they stand on it or need the same blob. Undefined if it
 * names none.
 */
export function unreadableResults(
  error: unknown,
  { records, lostBlobs }: { readonly records: Records; readonly lostBlobs: LostBlobs },
): ((result: Result) => boolean) | undefined {
  const lost = isVarveError(error) ? error.details.record : undefined;
  if (typeof lost !== "string") return undefined;
  lostBlobs.note(error);
  return (result) => result.kind === "record" && (standsOn(result.id, lost, records) || lostBlobs.breaks(result.id));
}

function standsOn(id: string, lost: string, records: Records): boolean {
  if (id === lost) return true;
  const row = records.get(id);
  return row !== undefined && row.parents.some((parent) => standsOn(parent, lost, records));
}
