import { type JsonNode, isVarveError } from "../../core/index.ts";

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
export function parseNames(varve: JsonNode, records: number): readonly string[] {
  try {
    const names = varve.objectOrEmpty().field("names").list(parseName) ?? [];
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

function parseName(item: JsonNode): string {
  const name = item.string();
  return name !== undefined && name.length <= MAX_NAME ? name : item.fail(`a string of at most ${MAX_NAME} characters`);
}
