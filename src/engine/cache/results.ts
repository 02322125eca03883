import { isVarveError } from "../../core/index.ts";
import { type ResultTable, localCache } from "../../cache/index.ts";
import { type Records, SCRATCH } from "../../record/index.ts";
import { type SlotLimits, Solver } from "../../solver/index.ts";
import type { Database } from "../../state/index.ts";
import type { LostBlobs } from "./lost-blobs.ts";
import { type Result, recordResult } from "../ops/result.ts";

/**
 * Maps results to IDs for the local cache. The ID of a result is that of its record. A context directory has no ID, because it is not
 * kept. Records that need a lost blob are not found.
 */
export function resultTable(records: Records, lost?: LostBlobs): ResultTable<Result> {
  const isThere = (id: string): boolean => records.get(id) !== undefined && lost?.breaks(id) !== true;
  return {
    get: (id) => (id === SCRATCH || isThere(id) ? recordResult(id) : undefined),
    id: (result) => (result.kind === "record" ? result.id : undefined),
  };
}

export interface SolverParts {
  readonly state: Database;
  readonly records: Records;
  readonly lostBlobs: LostBlobs;
  readonly limits: SlotLimits;
}

/** Returns the solver of a store. All builds in the store use it, and share ops that are running. */
export function openSolver({ state, records, lostBlobs, limits }: SolverParts): Solver<Result> {
  return new Solver({
    cache: localCache(state, resultTable(records, lostBlobs)),
    limits,
    unreadable: (error) => unreadableResults(error, { records, lostBlobs }),
    isPersonal: isOfClient,
  });
}

/** Maximum number of causes that are followed. */
const MAX_CAUSES = 64;

/** Whether an error, or one of its causes, is one of the client of a build: it is gone, lacks something, or may not read something. */
function isOfClient(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
    if (isVarveError(cause) && (cause.code === "unauthorized" || cause.details.fromClient === true)) return true;
    cause = cause.cause;
  }
  return false;
}

/**
 * Returns a predicate for the results that cannot be read according to an error: those that depend on the record that the error
 * names, or need a lost blob. Returns undefined if the error names no record.
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
