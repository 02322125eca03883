import { messageOf } from "../../core/index.ts";
import { refusal } from "./errors.ts";

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

/** A JSON value of a query; undefined if it is absent or empty. Throws 400 for what is no JSON, or not of the shape. */
export function jsonValue<T>(
  query: URLSearchParams,
  name: string,
  shape: (value: unknown) => value is T,
): T | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (error) {
    throw refusal(400, `error reading ${name}: ${messageOf(error)}`, error);
  }
  if (!shape(parsed)) throw refusal(400, `error reading ${name}: it has another shape`);
  return parsed;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
