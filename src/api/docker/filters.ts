import { type JsonNode, parseJson } from "../../core/index.ts";
import { apiError } from "./errors.ts";

/** The `filters` parameter: values by key. */
export type Filters = ReadonlyMap<string, ReadonlySet<string>>;

const MAX_VALUES = 1000;

/**
 * Parses `filters`: `{"key":["value"]}`, or `{"key":{"value":true}}`, which Go clients send. Throws 400 if it is malformed
 * or has a key that is not in `known`.
 */
export function parseFilters(query: URLSearchParams, known?: readonly string[]): Filters {
  const text = query.get("filters") ?? "";
  const filters = text === "" ? new Map() : read(text);
  for (const key of filters.keys()) if (known?.includes(key) === false) throw apiError(400, `invalid filter '${key}'`);
  return filters;
}

function read(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const error = (_state: string, cause?: unknown): Error => apiError(400, "invalid filter", cause);
  return parseJson(text, "filters", { error }).map(valuesOf) ?? new Map();
}

function valuesOf(item: JsonNode): ReadonlySet<string> {
  const values = Array.isArray(item.raw) ? item.list(stringOf, MAX_VALUES) : item.map(() => true)?.keys();
  const set = new Set(values ?? item.fail("a list of strings"));
  return set.size > MAX_VALUES ? item.fail("short enough") : set;
}

function stringOf(item: JsonNode): string {
  return item.string() ?? item.fail("a string");
}

/** Returns the value of a boolean filter; undefined if it is absent. Throws 400 for any other value, or for several. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined || values.size === 0) return undefined;
  const [value = ""] = values;
  if (values.size === 1 && (value === "1" || value === "true")) return true;
  if (values.size === 1 && (value === "0" || value === "false")) return false;
  throw apiError(400, `invalid filter '${key}=[${[...values].join(" ")}]'`);
}

/** Tests labels: every `label` filter (`key` or `key=value`) must match, and no `label!` filter may match. */
export function matchesLabels(filters: Filters, labels: ReadonlyMap<string, string>): boolean {
  const has = (wanted: string): boolean => {
    const at = wanted.indexOf("=");
    if (at < 0) return labels.has(wanted);
    return labels.get(wanted.slice(0, at)) === wanted.slice(at + 1);
  };
  return [...(filters.get("label") ?? [])].every(has) && ![...(filters.get("label!") ?? [])].some(has);
}
