import {
  type Digest,
  type JsonNode,
  type JsonObject,
  type OrderedJson,
  formatGoTime,
  isDigest,
  isVarveError,
} from "../../core/index.ts";
import { type Time, readTime } from "./time.ts";

/** A blob or a manifest that an earlier document of a place has needed, and the present one does not. */
export interface ReleasedBlob {
  readonly digest: Digest;
  readonly kind: "blob" | "manifest";
  /** When it was released. */
  readonly at: Time;
}

/** Maximum number of blobs that a document lists. Further ones stay where they are until the place is pruned. */
export const MAX_RELEASED = 500;

/**
 * Reads the `released` in the member `varve` of a cache config: `[{"blob","at"}]` or `[{"manifest","at"}]`. A malformed or too long list is
 * ignored: its blobs stay.
 */
export function parseReleased(varve: JsonNode): readonly ReleasedBlob[] {
  try {
    const released = varve.objectOrEmpty().field("released").list(parseOne) ?? [];
    return released.length <= MAX_RELEASED ? released.flatMap((one) => one ?? []) : [];
  } catch (error) {
    if (isVarveError(error)) return [];
    throw error;
  }
}

export function releasedJson(released: readonly ReleasedBlob[]): OrderedJson {
  return released.map(({ digest, kind, at }) => ({ [kind]: digest, at: formatGoTime(at) }));
}

function parseOne(item: JsonNode): ReleasedBlob | undefined {
  const fields: JsonObject = item.objectOrEmpty();
  const at = readTime(fields.field("at"));
  for (const kind of ["blob", "manifest"] as const) {
    const digest = fields.string(kind);
    if (digest !== undefined && isDigest(digest)) return { digest, kind, at };
  }
  return undefined;
}
