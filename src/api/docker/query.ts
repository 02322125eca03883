import { type JsonNode, messageOf, parseJson } from "../../core/index.ts";
import { apiError } from "./errors.ts";

const FALSE = new Set(["", "0", "no", "false", "none"]);

/** Reads a boolean like the Docker daemon: any value not in `FALSE` is true. Returns `absent` if it is absent. */
export function flag(query: URLSearchParams, name: string, absent = false): boolean {
  const value = query.get(name);
  return value === null ? absent : !FALSE.has(value.trim().toLowerCase());
}

/** Returns the first value; undefined if it is absent or empty. */
export function text(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value === null || value === "" ? undefined : value;
}

/** Reads an integer. Returns 0 for anything else, as the Docker daemon does for a build's limits. */
export function lenientInteger(query: URLSearchParams, name: string): number {
  const value = Number(/^[+-]?\d{1,18}$/.exec(query.get(name) ?? "")?.[0] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
}

/**
 * Reads a JSON parameter; an absent node if it is absent or empty. Throws 400 for invalid JSON. The node also throws 400
 * when a value has the wrong type.
 */
export function jsonValue(query: URLSearchParams, name: string): JsonNode {
  const error = (state: string, cause?: unknown): Error =>
    apiError(400, `error reading ${name}: ${cause === undefined ? state : messageOf(cause)}`, cause);
  return parseJson(text(query, name) ?? "null", name, { error });
}
