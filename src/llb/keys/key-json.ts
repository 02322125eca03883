import type { OrderedJson } from "../../core/index.ts";

/**
 * The JSON of Go structs whose fields are all `omitempty`, as cache keys are made of: zero, false, empty text and empty
 * lists are left out. Nested objects are kept even if empty, because Go keeps a pointer that is set.
 */
export function omitEmpty(fields: Readonly<Record<string, OrderedJson>>): OrderedJson {
  const kept = new Map<string, OrderedJson>();
  for (const [name, value] of Object.entries(fields)) {
    const empty = value === "" || value === 0 || value === 0n || value === false;
    if (!empty && value !== undefined && !(Array.isArray(value) && value.length === 0)) kept.set(name, value);
  }
  return kept;
}
