import { VarveError, isVarveError } from "../../core/index.ts";
import { GoFields } from "./go-fields.ts";

/** Characters of a name. */
const MAX_NAME = 200;

/** A text as the name of a step: one line, not too long; undefined if nothing is left of it. */
export function nameOfStep(text: string): string | undefined {
  const line = text.replace(/\s+/g, " ").trim().slice(0, MAX_NAME).trim().toWellFormed();
  return line === "" ? undefined : line;
}

/**
 * The `names` in the member `varve` of a cache config: a list of texts, one a record. One that is malformed or out of bounds
 * counts as none: whatever it says, it must not cost the cache.
 */
export function parseNames(value: unknown, records: number): readonly string[] {
  if (value === undefined) return [];
  try {
    const names = new GoFields(value, "varve").list("names", parseName);
    return names.length <= records ? names : [];
  } catch (error) {
    if (isVarveError(error)) return [];
    throw error;
  }
}

/** The names as they are written: nothing behind the last one. */
export function listOfNames(names: readonly (string | undefined)[]): readonly string[] {
  return names.slice(0, names.findLastIndex((name) => name !== undefined) + 1).map((name = "") => name);
}

function parseName(value: unknown): string {
  if (typeof value === "string" && value.length <= MAX_NAME) return value;
  throw new VarveError("corrupt", "Cannot read cache config: a name is not a short text");
}
