import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Descriptor, Limits, VarveError, isIndexType, isManifestType, isVarveError } from "../../core/index.ts";
import { readManifestOrIndex } from "../../image/index.ts";
import { blobFile, readBlobFile, readLayoutIndex } from "./layout-files.ts";

/**
 * Milliseconds for which a blob stays after it was written, or after the last index that needs it was replaced: an index that lists it may
 * not be written yet, and readers may still use the one before.
 */
export const DEFAULT_GRACE = 600_000;
const MAX_DOCUMENTS = 10_000;

/** Options of `collectLayout`. */
export interface CollectOptions {
  /** Entries of the previous index, which readers may still use. Their blobs are kept, and the grace of those that are not needed begins. */
  readonly before: readonly Descriptor[];
  /** Milliseconds for which blobs stay that nothing needs any more. */
  readonly grace?: number | undefined;
}

/** Number and size of the removed blobs. */
export interface CollectedBlobs {
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Removes the blobs of a layout that are not reachable from its index or the previous one and are older than the grace period.
 * Removes nothing if a document cannot be read. The caller must hold the lock.
 */
export async function collectLayout(
  directory: string,
  { before, grace = DEFAULT_GRACE }: CollectOptions,
): Promise<CollectedBlobs> {
  const index = await readLayoutIndex(directory);
  const listed = new Set(index.map(({ digest }) => digest));
  const replaced = before.filter(({ digest }) => !listed.has(digest));
  const [needed, previous] = [await reachable(directory, index), await reachable(directory, replaced)];
  if (needed === undefined || previous === undefined) return { blobs: 0, bytes: 0 };
  const released = previous.difference(needed);
  await beginGrace(released);
  const kept = needed.union(released);
  const limit = Date.now() - grace;
  let [blobs, bytes] = [0, 0];
  for (const algorithm of await readdir(join(directory, "blobs"))) {
    for (const name of await readdir(join(directory, "blobs", algorithm))) {
      const path = join(directory, "blobs", algorithm, name);
      if (kept.has(path)) continue;
      const { size, mtimeMs } = await stat(path);
      if (mtimeMs > limit) continue;
      await rm(path, { force: true });
      blobs += 1;
      bytes += size;
    }
  }
  return { blobs, bytes };
}

/** The times of blobs tell since when they are not needed. A blob of another user keeps its own: its grace began when it was written. */
async function beginGrace(paths: ReadonlySet<string>): Promise<void> {
  const now = new Date();
  await Promise.all([...paths].map((path) => utimes(path, now, now).catch(() => undefined)));
}

/** Returns the paths of all blobs reachable from the entries, or undefined if a document cannot be read. */
async function reachable(directory: string, entries: readonly Descriptor[]): Promise<Set<string> | undefined> {
  const open = new Map(entries.map((entry) => [entry.digest, entry] as const));
  const paths = new Set<string>();
  try {
    for (const descriptor of open.values()) {
      paths.add(blobFile(directory, descriptor.digest));
      if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) continue;
      if (open.size > MAX_DOCUMENTS * 10) return undefined;
      const bytes = await readBlobFile(directory, descriptor, Limits.manifest).catch(unlessMissing);
      if (bytes === undefined) continue;
      const document = readManifestOrIndex(bytes, descriptor.mediaType);
      const children = document.kind === "index" ? document.manifests : [document.config, ...document.layers];
      for (const child of children) if (!open.has(child.digest)) open.set(child.digest, child);
    }
    return paths;
  } catch (error) {
    if (error instanceof VarveError) return undefined;
    throw error;
  }
}

function unlessMissing(error: unknown): undefined {
  if (!isVarveError(error, "not-found")) throw error;
}
