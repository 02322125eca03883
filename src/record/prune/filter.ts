import { parseSelectors } from "../../pattern/index.ts";
import type { RecordUsage } from "./usage.ts";

/** Returns whether a record matches. */
export type UsageFilter = (usage: RecordUsage) => boolean;

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
 * Parses filters in containerd's syntax; see `parseSelectors`. An unknown field has no value.
 *
 * @throws {VarveError} `invalid-argument` for a malformed filter.
 */
export function parseFilters(filters: readonly string[]): UsageFilter {
  const matches = parseSelectors(filters);
  return (usage) => matches(([field = ""]) => fieldOf(usage, field));
}

function fieldOf(usage: RecordUsage, field: string): string | undefined {
  const value = VALUES.get(field);
  if (value !== undefined) return value(usage);
  return FLAGS.get(field)?.(usage) === true ? "" : undefined;
}
