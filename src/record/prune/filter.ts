import { VarveError } from "../../core/index.ts";
import type { RecordUsage } from "./usage.ts";

/** Chooses records; of several, one that matches is enough. */
export type UsageFilter = (usage: RecordUsage) => boolean;

interface Term {
  readonly field: string;
  readonly test: (value: string | undefined) => boolean;
}

/** One term at a place in a filter: a field, and an operator with a value that is quoted where it has commas or quotes. */
const TERM = /([a-z][a-z0-9_]*)(?:(==|!=|~=)("(?:[^"\\]|\\.)*"|[^,"]*))?/giy;

/** Fields with a value, in BuildKit's words. */
const VALUES: ReadonlyMap<string, (usage: RecordUsage) => string> = new Map<string, (usage: RecordUsage) => string>([
  ["id", (usage) => usage.id],
  ["parents", (usage) => usage.parents.join(";")],
  ["description", (usage) => usage.description],
  ["type", (usage) => usage.recordType],
]);

/** Fields that are there or not. */
const FLAGS: ReadonlyMap<string, (usage: RecordUsage) => boolean> = new Map<string, (usage: RecordUsage) => boolean>([
  ["inuse", (usage) => usage.inUse],
  ["mutable", (usage) => usage.mutable],
  ["immutable", (usage) => !usage.mutable],
  ["shared", (usage) => usage.shared],
  ["private", (usage) => !usage.shared],
]);

/** Reads filters in containerd's syntax: terms joined by commas all hold; an unknown field never does. No filter matches all. */
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

/** Terms with commas between them, and nothing else. */
function parseTerms(filter: string): Term[] {
  const terms: Term[] = [];
  if (filter.trim() === "") return terms;
  for (TERM.lastIndex = 0; ; TERM.lastIndex += 1) {
    const match = TERM.exec(filter);
    if (match === null) throw unreadable(filter, "expected field, field==value, field!=value or field~=pattern");
    terms.push(termOf(match, filter));
    if (TERM.lastIndex === filter.length) return terms;
    if (filter[TERM.lastIndex] !== ",") throw unreadable(filter, `unexpected text at ${TERM.lastIndex}`);
  }
}

function unreadable(filter: string, why: string, cause?: unknown): VarveError {
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
    throw unreadable(filter, `${JSON.stringify(pattern)} is no pattern`, error);
  }
}
