import type { Digest } from "../../core/index.ts";
import { type ContentStore, blobsOfImages } from "../../content/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import type { Database } from "../../state/index.ts";
import type { RecordTable } from "../table.ts";
import { EarlierVersions } from "./earlier-versions.ts";
import type { RecordId, RecordRow, RecordType } from "../types.ts";

/** The disk usage of a record, as in BuildKit's `UsageInfo`. Times are in milliseconds since 1970, sizes in bytes. */
export interface RecordUsage {
  readonly id: RecordId;
  readonly mutable: boolean;
  readonly inUse: boolean;
  /** Size of its snapshot and blobs, without its parents. 0 for a layer that was never fetched. */
  readonly size: number;
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
  readonly usageCount: number;
  readonly parents: readonly RecordId[];
  readonly description: string;
  readonly recordType: RecordType;
  /** An image uses the layer, so that removing the record frees little space. */
  readonly shared: boolean;
}

export interface UsageDeps {
  readonly state: Database;
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
}

/** Returns all records with their disk usage. Measures snapshots that were not measured before. */
export async function recordUsage(deps: UsageDeps, signal?: AbortSignal): Promise<RecordUsage[]> {
  const rows = deps.table.all();
  const inUse = deps.table.leased();
  const shared = sharedRecords(rows, blobsOfImages(deps.state));
  const versions = new EarlierVersions(rows, deps.snapshotter);
  const usages: RecordUsage[] = [];
  for (const row of rows) {
    usages.push({
      id: row.id,
      mutable: row.kind === "mutable",
      inUse: inUse.has(row.id),
      size: row.kind === "mutable" && inUse.has(row.id) ? 0 : await sizeOf(row, versions, deps, signal),
      createdAt: row.createdAt,
      lastUsedAt: row.lastUsedAt,
      usageCount: row.usageCount,
      parents: row.parents,
      description: row.description,
      recordType: row.type,
      shared: shared.has(row.id),
    });
  }
  return usages;
}

async function sizeOf(
  row: RecordRow,
  versions: EarlierVersions,
  deps: UsageDeps,
  signal: AbortSignal | undefined,
): Promise<number> {
  const digests = new Set<Digest>(deps.table.variants(row.id).map((variant) => variant.digest));
  if (row.blob !== undefined) digests.add(row.blob.digest);
  const blobs = [...digests].reduce((sum, digest) => sum + (deps.content.info(digest)?.size ?? 0), 0);
  const own = versions.countsElsewhere(row) ? 0 : await snapshotBytes(row, deps, signal);
  return blobs + own + (await versions.bytes(row, signal));
}

/** Returns the disk usage of a snapshot. The usage of a committed snapshot is measured once and stored. */
async function snapshotBytes(
  row: RecordRow,
  { table, snapshotter }: UsageDeps,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (row.snapshotBytes !== undefined) return row.snapshotBytes;
  if (row.snapshot === undefined || snapshotter.stat(row.snapshot) === undefined) return 0;
  const { bytes } = await snapshotter.usage(row.snapshot, { signal });
  if (row.kind !== "mutable") table.setSnapshotBytes(row.id, bytes);
  return bytes;
}

/** Returns the records whose blob an image uses, and all records below them. */
function sharedRecords(rows: readonly RecordRow[], blobs: ReadonlySet<string>): Set<RecordId> {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const shared = new Set<RecordId>();
  const mark = (id: RecordId): void => {
    if (shared.has(id)) return;
    shared.add(id);
    for (const parent of byId.get(id)?.parents ?? []) mark(parent);
  };
  for (const row of rows) if (row.blob !== undefined && blobs.has(row.blob.digest)) mark(row.id);
  return shared;
}
