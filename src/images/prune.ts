import { type Digest, VarveError, isVarveError, throwIfAborted } from "../core/index.ts";
import { ImageRelations } from "../image/index.ts";
import type { InUse, LocalImages, Removal } from "./types.ts";
import type { Database } from "../state/index.ts";
import { type ImageEntry, allImageEntries } from "./find.ts";
import { removeImage } from "./remove.ts";

export interface PruneImagesOptions {
  /** True, the default: only images without a name. False: every image that no container uses. */
  readonly dangling?: boolean | undefined;
  /** Which of them may go: all, unless told. */
  readonly matches?: ((entry: ImageEntry) => boolean) | undefined;
  readonly inUse?: InUse | undefined;
  readonly signal?: AbortSignal | undefined;
}

const running = new WeakSet<Database>();

/**
 * Removes images that nobody needs. Steps below an image that stays are its cache and stay too. Blobs go with the next
 * collection. Throws `busy` while another prune of this store is running.
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

/** Removes images that have no name and that no other image was made from; what only they kept goes with `prune`. */
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
  // Whatever stands on others first: it is what keeps them.
  return chosen.toSorted((a, b) => b.image.config.history.length - a.image.config.history.length);
}

/** What removing an image by its names, or by its id if it has none, does; nothing if something needs it. */
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
