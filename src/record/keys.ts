import { randomBytes } from "node:crypto";
import { isVarveError } from "../core/index.ts";

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
