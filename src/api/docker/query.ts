import { type JsonNode, messageOf, parseJson } from "../../core/index.ts";
import { apiError } from "./errors.ts";

const FALSE = new Set(["", "0", "no", "false", "none"]);

/** A boolean of a query as the daemon reads it: whatever does not say no says yes. Absent is `absent`. */
export function flag(query: URLSearchParams, name: string, absent = false): boolean {
  const value = query.get(name);
  return value === null ? absent : !FALSE.has(value.trim().toLowerCase());
}

/** The first value; undefined if it is absent or empty. */
export function text(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value === null || value === "" ? undefined : value;
}

/** A whole number; 0 for what is none, as the daemon does for a build's limits. */
export function lenientInteger(query: URLSearchParams, name: string): number {
  const value = Number(/^[+-]?\d{1,18}$/.exec(query.get(name) ?? "")?.[0] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
}

/** A JSON value of a query; an absent one if the parameter is absent or empty. Throws 400 for anything but JSON, and as it is read. */
export function jsonValue(query: URLSearchParams, name: string): JsonNode {
  const error = (state: string, cause?: unknown): Error =>
    apiError(400, `error reading ${name}: ${cause === undefined ? state : messageOf(cause)}`, cause);
  return parseJson(text(query, name) ?? "null", name, { error });
}
