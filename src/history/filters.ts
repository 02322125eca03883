import { VarveError, messageOf, parseGoDuration, parseGoTime } from "../core/index.ts";
import { csvFields } from "../dockerfile/index.ts";
import { ExpressionMatcher, MAX_FILTER, MAX_FILTERS, parseSelectors } from "../pattern/index.ts";
import type { BuildRecord } from "./types.ts";

/** Returns whether a build matches. */
export type HistoryFilter = (record: BuildRecord) => boolean;

/** The text by which a cancelled build is recognised: the client's own error has it too. */
const CANCELLED = "context canceled";

/** Longer operators come first. */
const OPERATORS = [">=", "<=", ">", "<"] as const;

type Operator = (typeof OPERATORS)[number];

const NS_PER_MS = 1e6;

/**
 * Parses filters of builds. Each filter is a comma-separated list of terms, all of which must match; one filter must match, if there
 * are any. Terms are `startedAt`, `completedAt` and `duration` with `<`, `<=`, `>` or `>=` and a time (RFC 3339), an age or a duration
 * (`24h`); and `ref`, `status` (`completed`, `running`, `error`, `canceled`) and `repository` in the syntax of `parseSelectors`. A
 * time that is later is greater: `startedAt>24h` are builds of the last day.
 *
 * @throws {VarveError} `invalid-argument` for a malformed filter, or more than 100. Matching throws as `parseSelectors`.
 * @see moby/buildkit solver/llbsolver/history/filter.go
 */
export function parseHistoryFilters(filters: readonly string[], now: number = Date.now()): HistoryFilter {
  if (filters.length > MAX_FILTERS)
    throw new VarveError("invalid-argument", `failed to parse history filters: there are more than ${MAX_FILTERS}`);
  const matcher = new ExpressionMatcher();
  const parsed = filters.map((filter) => parseFilter(filter, now, matcher));
  if (parsed.length === 0) return () => true;
  return (record) => parsed.some((matches) => matches(record));
}

function parseFilter(filter: string, now: number, matcher: ExpressionMatcher): HistoryFilter {
  if (filter.length > MAX_FILTER)
    throw new VarveError("invalid-argument", `failed to parse history filters: more than ${MAX_FILTER} characters`);
  const terms: HistoryFilter[] = [];
  const selectors: string[] = [];
  const fields = filter === "" ? [] : withFilter(filter, () => csvFields(filter));
  for (const field of fields) {
    const term = timeTerm(field, now);
    if (term === undefined) selectors.push(field);
    else terms.push(term);
  }
  const matches = withFilter(filter, () => parseSelectors([selectors.join(",")], matcher));
  return (record) => terms.every((term) => term(record)) && matches(([name = ""]) => fieldOf(record, name));
}

function withFilter<T>(filter: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const message = `failed to parse history filters ${filter}: ${messageOf(error)}`;
    throw new VarveError("invalid-argument", message, { cause: error });
  }
}

/** Parses a term about a time; returns undefined for another term. */
function timeTerm(text: string, now: number): HistoryFilter | undefined {
  const operator = OPERATORS.find((each) => text.includes(each));
  if (operator === undefined) return undefined;
  const at = text.indexOf(operator);
  const name = text.slice(0, at);
  const value = text.slice(at + operator.length);
  switch (name) {
    case "startedAt":
    case "completedAt": {
      const limit = seconds(timeOf(value, now));
      const timeIn = (record: BuildRecord): number =>
        (name === "startedAt" ? record.createdAt : record.completedAt) ?? 0;
      return (record) => compare(seconds(timeIn(record)), operator, limit);
    }
    case "duration": {
      const limit = durationOf(value);
      if (limit === undefined) throw new VarveError("invalid-argument", `invalid duration ${value}`);
      return ({ createdAt, completedAt = createdAt }) => compare(completedAt - createdAt, operator, limit);
    }
    default:
      return undefined;
  }
}

/** Times are compared in whole seconds. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function timeOf(value: string, now: number): number {
  const age = durationOf(value);
  if (age !== undefined) return now - age;
  const time = parseGoTime(value);
  if (time === undefined) throw new VarveError("invalid-argument", `invalid time ${value}`);
  return Number(time) / NS_PER_MS;
}

/** Returns the milliseconds of a duration in Go's syntax. */
function durationOf(value: string): number | undefined {
  try {
    return parseGoDuration(value) / NS_PER_MS;
  } catch {
    return undefined;
  }
}

function compare(value: number, operator: Operator, limit: number): boolean {
  switch (operator) {
    case ">=":
      return value >= limit;
    case "<=":
      return value <= limit;
    case ">":
      return value > limit;
    case "<":
      return value < limit;
  }
}

function fieldOf(record: BuildRecord, name: string): string | undefined {
  switch (name) {
    case "ref":
      return record.ref === "" ? undefined : record.ref;
    case "status":
      return statusOf(record);
    case "repository":
      return record.attributes.get("vcs:source") ?? remoteOf(record.attributes.get("context") ?? "");
    default:
      return undefined;
  }
}

/** Returns how a build has ended, or that it runs. */
export function statusOf({ completedAt, error }: BuildRecord): "running" | "completed" | "error" | "canceled" {
  if (completedAt === undefined) return "running";
  if (error === undefined) return "completed";
  return error.message.includes(CANCELLED) ? "canceled" : "error";
}

/** Returns the repository of a context's URL, or of an address such as `git@host:path`, without fragment and query. */
function remoteOf(context: string): string | undefined {
  const isRemote = /^(?:https?|git|ssh):\/\//i.test(context) || /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(context);
  return isRemote ? /^[^#?]*/.exec(context)?.[0] : undefined;
}
