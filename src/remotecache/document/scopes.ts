import { type JsonNode, type OrderedJson, formatGoTime, isVarveError } from "../../core/index.ts";
import { type Time, readTime } from "./time.ts";

const MAX_SCOPES = 1024;
const MAX_TOPS = 4096;
const MAX_ID = 512;

/** One export into a document. */
export interface ConfigScope {
  /** The scope of the export. */
  readonly id: string;
  /** Indices of the records of the build's results. */
  readonly tops: readonly number[];
  readonly at: Time;
  /**
   * Set if the build has not made all its results: the id of a build that ran when it wrote this, or empty for a build that has failed.
   */
  readonly partial?: string | undefined;
}

/**
 * Reads the `scopes` in the member `varve` of a cache config: `[{"id","tops","at","partial"}]`, newest first. A malformed or too long list
 * is ignored, because scopes must not make a cache unusable.
 */
export function parseScopes(varve: JsonNode, records: number): readonly ConfigScope[] {
  try {
    const scopes = varve.objectOrEmpty().field("scopes").list(parseScope) ?? [];
    return scopes.length <= MAX_SCOPES && scopes.every((scope) => isSound(scope, records)) ? scopes : [];
  } catch (error) {
    if (isVarveError(error)) return [];
    throw error;
  }
}

/** Returns the JSON of scopes. */
export function scopesJson(scopes: readonly ConfigScope[]): OrderedJson {
  return scopes.map(({ id, tops, at, partial }) => ({ id, tops, at: formatGoTime(at), partial }));
}

function parseScope(item: JsonNode): ConfigScope {
  const fields = item.objectOrEmpty();
  const tops = fields.field("tops").list((top) => top.integer() ?? 0) ?? [];
  const partial = fields.string("partial");
  const scope = { id: fields.string("id") ?? "", tops, at: readTime(fields.field("at")) };
  return partial === undefined ? scope : { ...scope, partial };
}

function isSound({ id, tops, partial = "" }: ConfigScope, records: number): boolean {
  return (
    id.length <= MAX_ID &&
    partial.length <= MAX_ID &&
    tops.length <= MAX_TOPS &&
    tops.every((top) => top >= 0 && top < records)
  );
}
