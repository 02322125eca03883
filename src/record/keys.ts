import { randomBytes } from "node:crypto";
import { VarveError, isVarveError } from "../core/index.ts";
import { isLostBlob } from "../content/index.ts";
import type { RecordRow } from "./types.ts";

/** A snapshot key or ingest reference that nobody else uses, in this process or another. */
export function temporaryKey(purpose: string): string {
  return `${purpose}-${process.pid}-${randomBytes(8).toString("hex")}`;
}

/** Another process may have made the same snapshot meanwhile; its work is as good. */
export async function commitUnlessThere(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isVarveError(error, "already-exists")) throw error;
  }
}

/**
 * Says of a failure which record it is about, in `details.record`, so that a build can do without that record; and of a blob that
 * is lost, where it came from.
 */
export async function aboutRecord<T>(
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
