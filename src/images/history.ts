import { type Digest, type Platform, hostPlatform, parseGoTime } from "../core/index.ts";
import { type HistoryEntry, ImageRelations, type LocalImage, openLocalImage } from "../image/index.ts";
import { requireImage } from "./find.ts";
import type { LocalImages } from "./types.ts";

/** One history entry of an image, with the image that it created. */
export interface HistoryRow {
  /** ID of the image that the instruction created; undefined if it is not in the store (`<missing>`). */
  readonly id: Digest | undefined;
  readonly names: readonly string[];
  readonly entry: HistoryEntry;
  /** Nanoseconds since 1970; undefined if the entry has no valid time. */
  readonly created: bigint | undefined;
  /** Size of the layer blob in bytes; 0 if there is no layer. */
  readonly size: number;
  readonly layer: Digest | undefined;
}

/** The parts of an image that its history is read from. */
type Historic = Pick<LocalImage, "id" | "manifest" | "config" | "layers" | "parent">;

/** Returns an image and its ancestors, nearest first, up to the first that is not in the store. Returns at most `depth` images. */
function lineage(relations: ImageRelations, image: Historic, depth: number): { id: Digest; manifest: Digest }[] {
  const found = [{ id: image.id, manifest: image.manifest.digest }];
  let next = image.parent;
  while (next !== undefined && found.length < depth) {
    const manifest = relations.manifestOf(next);
    if (manifest === undefined) break;
    found.push({ id: next, manifest });
    next = relations.get(next)?.parent;
  }
  return found;
}

/** Returns the history of an image, newest first, with the IDs of the ancestors that are in the store. */
export function historyRows(store: LocalImages, image: Historic): HistoryRow[] {
  const relations = new ImageRelations(store.state);
  const { history } = image.config;
  let next = 0;
  const layers = history.map((entry) => (entry.empty_layer === true ? undefined : image.layers[next++]));
  const ids = lineage(relations, image, history.length);
  return history
    .map((entry, index) => {
      const owner = ids[history.length - 1 - index];
      const layer = layers[index]?.descriptor;
      return {
        id: owner?.id,
        names: owner === undefined ? [] : relations.names(owner.manifest),
        entry,
        created: parseGoTime(entry.created ?? ""),
        size: layer?.size ?? 0,
        layer: layer?.digest,
      };
    })
    .toReversed();
}

/** One history entry of an image, as `imageHistory` returns it. */
export interface HistoryLine {
  /** ID of the image that the instruction created; undefined if it is not in the store. */
  readonly image: Digest | undefined;
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  /** Size of the layer blob in bytes; 0 if there is no layer. */
  readonly size: number;
  readonly layer: Digest | undefined;
}

/**
 * Returns the history of an image, newest first.
 *
 * @throws {VarveError} `not-found` if the store has no such image, or none for the platform.
 */
export async function imageHistory(
  store: LocalImages,
  name: string,
  platform: Platform = hostPlatform(),
): Promise<HistoryLine[]> {
  const image = await openLocalImage(store, (await requireImage(store, name)).descriptor, platform);
  return historyRows(store, image).map(({ id, entry, size, layer }) => ({
    image: id,
    created: entry.created,
    createdBy: entry.created_by ?? "",
    comment: entry.comment ?? "",
    size,
    layer,
  }));
}
