import { type Digest, isDigest, parseJson } from "../core/index.ts";
import { type BlobForm, RECORD_TYPES, type RecordRow, SCRATCH } from "./types.ts";

/** A row as the database returns it. */
export type Row = Readonly<Record<string, unknown>>;

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function stringsOf(value: unknown): readonly string[] {
  return parseJson(textOf(value) ?? "[]", "a row of records").strings() ?? [];
}

function stringMapOf(value: unknown): ReadonlyMap<string, string> {
  return parseJson(textOf(value) ?? "{}", "a row of records").stringMap() ?? new Map();
}

/** Returns a column with a digest. Undefined if it is null. */
export function digestOf(value: unknown): Digest | undefined {
  return isDigest(value) ? value : undefined;
}

/** Returns the blob in a row of a record or of a variant. Undefined if the record has no blob. */
export function blobOf(row: Row): BlobForm | undefined {
  const [digest, diffId, mediaType] = [digestOf(row["blob"]), digestOf(row["diff_id"]), textOf(row["media_type"])];
  if (digest === undefined || diffId === undefined || mediaType === undefined) return undefined;
  return {
    digest,
    diffId,
    mediaType,
    size: numberOf(row["blob_size"]) ?? 0,
    sources: stringsOf(row["sources"]),
    annotations: Object.fromEntries(stringMapOf(row["annotations"])),
    ...(row["urls"] === null || row["urls"] === undefined ? {} : { urls: stringsOf(row["urls"]) }),
  };
}

/** Converts a row of the `record` table. */
export function fromRow(row: Row | undefined): RecordRow | undefined {
  if (row === undefined) return undefined;
  const kind = textOf(row["kind"]);
  const type = RECORD_TYPES.find((known) => known === row["type"]);
  return {
    id: textOf(row["id"]) ?? SCRATCH,
    kind: kind === "merge" || kind === "mutable" ? kind : "layer",
    parents: stringsOf(row["parents"]),
    type: type ?? "regular",
    description: textOf(row["description"]) ?? "",
    createdAt: numberOf(row["created_at"]) ?? 0,
    lastUsedAt: numberOf(row["last_used_at"]),
    usageCount: numberOf(row["usage_count"]) ?? 0,
    snapshot: textOf(row["snapshot"]),
    snapshotBytes: numberOf(row["snapshot_bytes"]),
    blob: blobOf(row),
    chainId: digestOf(row["chain_id"]),
  };
}
