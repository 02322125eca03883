import { type Digest, type Platform, hostPlatform, parseGoTime } from "../core/index.ts";
import { type HistoryEntry, ImageRelations, type LocalImage, openLocalImage } from "../image/index.ts";
import { requireImage } from "./find.ts";
import type { LocalImages } from "./types.ts";

/** One instruction of an image's past. */
export interface HistoryRow {
  /** Of the image that the instruction left; undefined if it is not here (`<missing>`). */
  readonly id: Digest | undefined;
  readonly names: readonly string[];
  readonly entry: HistoryEntry;
  /** ns since 1970. */
  readonly created: bigint | undefined;
  /** Bytes of its layer, as stored; 0 if it made none. */
  readonly size: number;
  readonly layer: Digest | undefined;
}

/** What a history is read from. */
type Historic = Pick<LocalImage, "id" | "manifest" | "config" | "layers" | "parent">;

/** Ids of an image and of its parents, nearest first, for as far as they are here. */
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

/** The history of an image, youngest first, with the ids of those parents that are here. */
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

/** One instruction of an image's past, youngest first. */
export interface HistoryLine {
  /** Id of the image it left, if that is here. */
  readonly image: Digest | undefined;
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  /** Bytes of its layer as stored; 0 if it made none. */
  readonly size: number;
  readonly layer: Digest | undefined;
}

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
