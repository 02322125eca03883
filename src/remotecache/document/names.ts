import { type JsonNode, isVarveError } from "../../core/index.ts";

/** Maximum length of a name, in characters. */
const MAX_NAME = 200;

/** Returns a text as the name of a step: one line of at most 200 characters. Returns undefined for blank text. */
export function normalizeStepName(text: string): string | undefined {
  const line = text.replace(/\s+/g, " ").trim().slice(0, MAX_NAME).trim().toWellFormed();
  return line === "" ? undefined : line;
}

/**
 * Reads the `names` in the member `varve` of a cache config: a list of strings, one for each record. A malformed or too long
 * list is ignored, because names must not make a cache unusable.
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

/** Returns the names as they are written: empty strings for records without a name, and nothing after the last name. */
export function listOfNames(names: readonly (string | undefined)[]): readonly string[] {
  return names.slice(0, names.findLastIndex((name) => name !== undefined) + 1).map((name = "") => name);
}

function parseName(item: JsonNode): string {
  const name = item.string();
  return name !== undefined && name.length <= MAX_NAME ? name : item.fail(`a string of at most ${MAX_NAME} characters`);
}
