import { type Digest, VarveError, isVarveError, throwIfAborted } from "../core/index.ts";
import { ImageRelations } from "../image/index.ts";
import type { InUse, LocalImages, Removal } from "./types.ts";
import type { Database } from "../state/index.ts";
import { type ImageEntry, allImageEntries } from "./find.ts";
import { removeImage } from "./remove.ts";

export interface PruneImagesOptions {
  /** True, the default: only images without a name. False: every image that no container uses. */
  readonly dangling?: boolean | undefined;
  /** Only images for which it returns true are removed. Default: all. */
  readonly matches?: ((entry: ImageEntry) => boolean) | undefined;
  /** Images that containers use are kept. Default: no image is in use. */
  readonly inUse?: InUse | undefined;
  readonly signal?: AbortSignal | undefined;
}

const running = new WeakSet<Database>();

/**
 * Removes unused images, and returns what was removed. Ancestors of images that stay are kept, because the build cache needs them.
 * The next garbage collection deletes the blobs.
 *
 * @throws {VarveError} `busy` if this process is already pruning the store, `cancelled` if it is aborted.
 */
export async function pruneImages(store: LocalImages, options: PruneImagesOptions = {}): Promise<Removal[]> {
  if (running.has(store.state))
    throw new VarveError("busy", "Cannot prune images: a prune operation is already running");
  running.add(store.state);
  try {
    const removed: Removal[] = [];
    for (const entry of await candidates(store, options)) {
      throwIfAborted(options.signal, "prune images");
      removed.push(...(await removeEntry(store, entry, options)));
    }
    return removed;
  } finally {
    running.delete(store.state);
  }
}

/** Removes images without a name that no other image was built from. Returns their IDs. `prune` frees the disk space. */
export async function pruneUntagged(store: LocalImages, signal?: AbortSignal): Promise<Digest[]> {
  const removed = await pruneImages(store, { signal });
  return removed.flatMap((each) => (each.kind === "deleted" ? [each.id] : []));
}

async function candidates(
  store: LocalImages,
  { dangling = true, matches = () => true, inUse = () => undefined }: PruneImagesOptions,
): Promise<ImageEntry[]> {
  const relations = new ImageRelations(store.state);
  const chosen = (await allImageEntries(store)).filter((entry) => {
    const { image, names } = entry;
    if (inUse(image.id) !== undefined || !matches(entry)) return false;
    return dangling ? names.length === 0 && !relations.hasChildren(image.id) : true;
  });
  // Descendants first, because an image cannot be removed before them.
  return chosen.toSorted((a, b) => b.image.config.history.length - a.image.config.history.length);
}

/** Removes an image by its names, or by its ID if it has none. Skips an image that is in use or is gone. */
async function removeEntry(
  store: LocalImages,
  { image, names }: ImageEntry,
  { inUse }: PruneImagesOptions,
): Promise<Removal[]> {
  const removed: Removal[] = [];
  for (const text of names.length > 0 ? names : [image.id]) {
    try {
      removed.push(...(await removeImage(store, text, inUse && { inUse })));
    } catch (error) {
      if (!isVarveError(error, "busy", "not-found")) throw error;
    }
  }
  return removed;
}
