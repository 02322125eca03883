import { type PruneReport, prune } from "../../../caches/index.ts";
import { goQuote, parseGoDuration } from "../../../core/index.ts";
import type { Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import { type Filters, parseFilters } from "../filters.ts";
import { flag, text } from "../query.ts";
import { ok } from "../respond.ts";

/** Fields of a cache record that a filter can name. */
const FIELDS = ["id", "parent", "type", "description", "inuse", "shared", "private"];
const NS_PER_MS = 1_000_000;

type Request = NonNullable<Parameters<typeof prune>[1]>;

/**
 * `POST /build/prune`: removes records of the build cache, as `docker buildx prune` does. Images of the classic builder stay. As in
 * Docker, the space is the sum of the records' sizes.
 */
export const buildPrune: Endpoint = async ({ query, request }, { store, events }) => {
  const { records }: PruneReport = await prune(store, pruneRequest(query), { signal: request.signal });
  const reclaimed = records.reduce((sum, { size }) => sum + size, 0);
  events.emit("builder", "prune", "", { reclaimed: String(reclaimed) });
  return ok({ CachesDeleted: records.length === 0 ? null : records.map(({ id }) => id), SpaceReclaimed: reclaimed });
};

/**
 * Reads the parameters of a prune.
 *
 * @throws {VarveError} With status 400 for an unknown filter, several values of one, or a malformed number or duration.
 */
export function pruneRequest(query: URLSearchParams): Request {
  const filters = parseFilters(query, [...FIELDS, "until", "unused-for"]);
  const conditions = FIELDS.flatMap((field) => condition(field, filters));
  return {
    all: flag(query, "all"),
    keepDuration: keepDuration(filters),
    // `keep-storage` is the name before API version 1.48.
    reservedSpace: bytes(query, "reserved-space") ?? bytes(query, "keep-storage"),
    maxUsedSpace: bytes(query, "max-used-space"),
    minFreeSpace: bytes(query, "min-free-space"),
    filters: conditions.length === 0 ? [] : [conditions.join(",")],
  };
}

/** Returns a filter in containerd's syntax. An id may be a part of the record's. */
function condition(field: string, filters: Filters): string[] {
  if (!filters.has(field)) return [];
  const value = only(field, filters);
  if (value === undefined) return [field];
  const name = field === "parent" ? "parents" : field;
  return [`${name}${field === "id" ? "~=" : "=="}${goQuote(value)}`];
}

function keepDuration(filters: Filters): number | undefined {
  const value = only("until", filters) ?? only("unused-for", filters);
  if (value === undefined) return undefined;
  try {
    return parseGoDuration(value) / NS_PER_MS;
  } catch (error) {
    throw apiError(400, `"until" filter expects a duration (e.g., '24h')`, error);
  }
}

function only(key: string, filters: Filters): string | undefined {
  const values = [...(filters.get(key) ?? [])];
  if (values.length > 1) throw apiError(400, "filters expect only one value");
  return values[0];
}

function bytes(query: URLSearchParams, name: string): number | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw apiError(400, `${name} is in bytes and expects an integer, got ${value.slice(0, 100)}`);
}
