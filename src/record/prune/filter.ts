import { VarveError } from "../../core/index.ts";
import type { RecordUsage } from "./usage.ts";

/** Returns whether a record matches. */
export type UsageFilter = (usage: RecordUsage) => boolean;

interface Term {
  readonly field: string;
  readonly test: (value: string | undefined) => boolean;
}

/** A field, optionally followed by an operator and a value. A value that contains commas or quotes is quoted. */
const TERM = /([a-z][a-z0-9_]*)(?:(==|!=|~=)("(?:[^"\\]|\\.)*"|[^,"]*))?/giy;

/** Fields with a value, under BuildKit's names. */
const VALUES: ReadonlyMap<string, (usage: RecordUsage) => string> = new Map<string, (usage: RecordUsage) => string>([
  ["id", (usage) => usage.id],
  ["parents", (usage) => usage.parents.join(";")],
  ["description", (usage) => usage.description],
  ["type", (usage) => usage.recordType],
]);

/** Fields without a value: a record has them or not. */
const FLAGS: ReadonlyMap<string, (usage: RecordUsage) => boolean> = new Map<string, (usage: RecordUsage) => boolean>([
  ["inuse", (usage) => usage.inUse],
  ["mutable", (usage) => usage.mutable],
  ["immutable", (usage) => !usage.mutable],
  ["shared", (usage) => usage.shared],
  ["private", (usage) => !usage.shared],
]);

/**
 * Parses filters in containerd's syntax. A record matches a filter if it matches all of its terms, which are separated by
 * commas; it never matches a term with an unknown field. A record matches the list if it matches one filter, or if the list is
 * empty.
 * @throws {VarveError} `invalid-argument` for a malformed filter.
 */
export function parseFilters(filters: readonly string[]): UsageFilter {
  const parsed = filters.map(parseTerms);
  if (parsed.length === 0) return () => true;
  return (usage) => parsed.some((terms) => terms.every((term) => term.test(fieldOf(usage, term.field))));
}

function fieldOf(usage: RecordUsage, field: string): string | undefined {
  const value = VALUES.get(field);
  if (value !== undefined) return value(usage);
  return FLAGS.get(field)?.(usage) === true ? "" : undefined;
}

function parseTerms(filter: string): Term[] {
  const terms: Term[] = [];
  if (filter.trim() === "") return terms;
  for (TERM.lastIndex = 0; ; TERM.lastIndex += 1) {
    const match = TERM.exec(filter);
    if (match === null) throw invalidFilter(filter, "expected field, field==value, field!=value or field~=pattern");
    terms.push(termOf(match, filter));
    if (TERM.lastIndex === filter.length) return terms;
    if (filter[TERM.lastIndex] !== ",") throw invalidFilter(filter, `unexpected text at ${TERM.lastIndex}`);
  }
}

function invalidFilter(filter: string, why: string, cause?: unknown): VarveError {
  return new VarveError("invalid-argument", `Cannot read filter ${JSON.stringify(filter)}: ${why}`, { cause });
}

function termOf([, field = "", operator, raw = ""]: readonly string[], filter: string): Term {
  const value = raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, "$1") : raw;
  switch (operator) {
    case "==":
      return { field, test: (actual) => actual === value };
    case "!=":
      return { field, test: (actual) => actual !== value };
    case "~=": {
      const pattern = compile(value, filter);
      return { field, test: (actual) => actual !== undefined && pattern.test(actual) };
    }
    default:
      return { field, test: (actual) => actual !== undefined };
  }
}

function compile(pattern: string, filter: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw invalidFilter(filter, `${JSON.stringify(pattern)} is not a regular expression`, error);
  }
}
