import type { JsonValue } from "../core/index.ts";

/**
 * The JSON of Go structs whose fields are all `omitempty`, as cache keys are made of: zero, false, empty text and empty
 * lists are left out. Nested objects are kept even if empty, because Go keeps a pointer that is set.
 */
export function omitEmpty(fields: Readonly<Record<string, JsonValue>>): JsonValue {
  const kept: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(fields)) {
    const empty = value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
    if (!empty && value !== undefined) kept[name] = value;
  }
  return kept;
}

/** An integer that may be beyond what a number holds exactly. */
export function bigJson(value: bigint): JsonValue {
  if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
  return (JSON as unknown as { rawJSON(text: string): JsonValue }).rawJSON(value.toString());
}
