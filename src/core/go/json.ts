import { compareBytes } from "../byte-order.ts";

/** A JSON value; `undefined` fields are left out, as by `JSON.stringify`. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A JSON value whose objects may be maps: a `Map` keeps its order even for keys that look like numbers. A `bigint` is an integer. */
export type OrderedJson =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly OrderedJson[]
  | ReadonlyMap<string, OrderedJson>
  | { readonly [key: string]: OrderedJson };

const HTML = /[<>&\u2028\u2029]/g;

function escapeChar(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function encodeString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(HTML, escapeChar);
}

function isMap(value: object): value is ReadonlyMap<string, OrderedJson> {
  return value instanceof Map;
}

/** `Array.isArray` for read-only lists. */
function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** `margin` is the line break and the indentation of the value's own line; "" is compact. */
function encode(value: OrderedJson, margin: string): string {
  if (typeof value === "string") return encodeString(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = margin === "" ? "" : `${margin}  `;
  const wrap = (open: string, items: readonly string[], close: string): string =>
    items.length === 0 ? open + close : `${open}${inner}${items.join(`,${inner}`)}${margin}${close}`;
  if (isList(value)) {
    const items = value.map((item: OrderedJson) => encode(item, inner));
    return wrap("[", items, "]");
  }
  const colon = margin === "" ? ":" : ": ";
  const entries = isMap(value) ? [...value] : Object.entries(value);
  const fields = entries
    .filter(([, item]) => item !== undefined)
    .map(([key, item]) => `${encodeString(key)}${colon}${encode(item, inner)}`);
  return wrap("{", fields, "}");
}

/**
 * JSON as Go's `encoding/json` writes it, byte for byte: compact, fields in the order given, `<`, `>`, `&`, U+2028 and
 * U+2029 escaped, lone surrogates as U+FFFD, non-ASCII raw. BuildKit's cache keys and the digests of image configs depend on it.
 * A caller that needs Go's map order sorts its keys with `sortKeys`.
 */
export function goJson(value: OrderedJson): string {
  return encode(value, "");
}

/** As `goJson`, indented by two spaces: Go's `json.MarshalIndent(value, "", "  ")`. */
export function goJsonIndented(value: OrderedJson): string {
  return encode(value, "\n");
}

/** A copy with every object's keys in byte order, as Go writes a map. */
export function sortKeys(value: JsonValue): OrderedJson {
  if (isList(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => compareBytes(a, b));
  return new Map(entries.map(([key, item]) => [key, sortKeys(item)]));
}
