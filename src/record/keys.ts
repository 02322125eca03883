import { randomBytes } from "node:crypto";
import { VarveError, isVarveError } from "../core/index.ts";
import { isLostBlob } from "../content/index.ts";
import type { RecordRow } from "./types.ts";

/** Returns a snapshot key or ingest reference that is unique among all processes. */
export function temporaryKey(purpose: string): string {
  return `${purpose}-${process.pid}-${randomBytes(8).toString("hex")}`;
}

/** Awaits the creation of a snapshot. Ignores `already-exists`: another process has created the same snapshot. */
export async function commitIfAbsent(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isVarveError(error, "already-exists")) throw error;
  }
}

/**
 * Runs `work`. An error from it gets the record's id as `details.record`, so that a build can go on without this record. The
 * message for a lost blob gets the record's description, which says where the blob came from.
 */
export async function withRecordInError<T>(
  { id: record, description }: Pick<RecordRow, "id" | "description">,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isVarveError(error) || error.code === "cancelled" || error.details.record !== undefined) throw error;
    const from = isLostBlob(error) && description !== "" ? ` [${description}]` : "";
    throw new VarveError(error.code, `${error.message}${from}`, {
      details: { ...error.details, record },
      cause: error,
      hint: error.hint,
    });
  }
}
