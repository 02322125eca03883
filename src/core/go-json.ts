/** A JSON value; `undefined` fields are left out, as by `JSON.stringify`. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

const HTML = /[<>&\u2028\u2029]/g;

function escapeChar(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * JSON as Go's `encoding/json` writes it, byte for byte: compact, fields in the order given, `<`, `>`, `&`, U+2028 and
 * U+2029 escaped, lone surrogates as U+FFFD, non-ASCII raw. Digests of BuildKit's cache keys and image configs rest on it.
 * A caller that needs Go's map order sorts its keys with `sortKeys`.
 */
export function goJson(value: JsonValue): string {
  const text = JSON.stringify(value, (_key, v: unknown) => (typeof v === "string" ? v.toWellFormed() : v));
  return (text ?? "null").replace(HTML, escapeChar);
}

/** A copy with every object's keys in byte order, as Go writes a map. */
export function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => sortKeys(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as Record<string, JsonValue>).sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const sorted: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
  for (const [key, item] of entries) sorted[key] = sortKeys(item);
  return sorted;
}
