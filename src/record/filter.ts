import { VarveError } from "../core/index.ts";
import type { RecordUsage } from "./usage.ts";

/** Chooses records; of several, one that matches is enough. */
export type UsageFilter = (usage: RecordUsage) => boolean;

interface Term {
  readonly field: string;
  readonly test: (value: string | undefined) => boolean;
}

const TERM = /^([a-z][a-z0-9_]*)(?:(==|!=|~=)("(?:[^"\\]|\\.)*"|[^,]*))?$/i;

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
  const parsed = filters.map((filter) => splitTerms(filter).map((term) => parseTerm(term, filter)));
  if (parsed.length === 0) return () => true;
  return (usage) => parsed.some((terms) => terms.every((term) => term.test(fieldOf(usage, term.field))));
}

function fieldOf(usage: RecordUsage, field: string): string | undefined {
  const value = VALUES.get(field);
  if (value !== undefined) return value(usage);
  return FLAGS.get(field)?.(usage) === true ? "" : undefined;
}

/** Cuts at commas outside quotation marks. */
function splitTerms(filter: string): string[] {
  return filter.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
}

function parseTerm(text: string, filter: string): Term {
  const match = TERM.exec(text.trim());
  if (match === null)
    throw new VarveError(
      "invalid-argument",
      `Cannot read filter ${JSON.stringify(filter)}: expected field, field==value, field!=value or field~=pattern`,
    );
  const [, field = "", operator, raw = ""] = match;
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
    throw new VarveError(
      "invalid-argument",
      `Cannot read filter ${JSON.stringify(filter)}: ${JSON.stringify(pattern)} is no pattern`,
      { cause: error },
    );
  }
}
