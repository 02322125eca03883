import { type OrderedJson, formatGoTime, isVarveError } from "../../core/index.ts";
import { GoFields, integer } from "./go-fields.ts";
import { type Time, readTime } from "./time.ts";

const MAX_SCOPES = 1024;
const MAX_TOPS = 4096;
const MAX_ID = 512;

/** One export into a document: the records that were its tops, by index. */
export interface ConfigScope {
  /** Whose export it was. */
  readonly id: string;
  readonly tops: readonly number[];
  readonly at: Time;
}

/**
 * The `scopes` in the member `varve` of a cache config: `[{"id","tops","at"}]`, newest first. One that is malformed or out of
 * bounds counts as none: whatever it says, it must not cost the cache.
 */
export function parseScopes(value: unknown, records: number): readonly ConfigScope[] {
  if (value === undefined) return [];
  try {
    const scopes = new GoFields(value, "varve").list("scopes", parseScope);
    return scopes.length <= MAX_SCOPES && scopes.every((scope) => isSound(scope, records)) ? scopes : [];
  } catch (error) {
    if (isVarveError(error)) return [];
    throw error;
  }
}

export function scopesJson(scopes: readonly ConfigScope[]): OrderedJson {
  return scopes.map(({ id, tops, at }) => ({ id, tops, at: formatGoTime(at) }));
}

function parseScope(value: unknown): ConfigScope {
  const fields = new GoFields(value, "a scope");
  const tops = fields.list("tops", (item) => integer(item, "a top"));
  return { id: fields.string("id"), tops, at: readTime(fields.string("at")) };
}

function isSound({ id, tops }: ConfigScope, records: number): boolean {
  return id.length <= MAX_ID && tops.length <= MAX_TOPS && tops.every((top) => top >= 0 && top < records);
}
