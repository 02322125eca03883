import type { OrderedJson } from "../../core/index.ts";

/**
 * Returns the JSON of a Go struct whose fields are all `omitempty`: it leaves out zero, false, empty strings and empty lists.
 * Nested objects are kept even if they are empty, because Go keeps a pointer that is set.
 */
export function omitEmpty(fields: Readonly<Record<string, OrderedJson>>): OrderedJson {
  const kept = new Map<string, OrderedJson>();
  for (const [name, value] of Object.entries(fields)) {
    const empty = value === "" || value === 0 || value === 0n || value === false;
    if (!empty && value !== undefined && !(Array.isArray(value) && value.length === 0)) kept.set(name, value);
  }
  return kept;
}
