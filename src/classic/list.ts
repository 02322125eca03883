import type { Digest } from "../core/index.ts";
import { type HistoryEntry, parseTime } from "../image/index.ts";
import { type CatalogueEntry, listAll } from "./catalogue.ts";
import { ImageRelations } from "./relations.ts";
import { createdAt } from "./restore.ts";
import type { ClassicStore, LocalImage } from "./types.ts";

/**
 * Images, newest first. Steps that others stand on and that have no name are left out unless `all` is set; an untagged
 * image that nobody stands on is listed.
 */
export async function listImages(
  store: ClassicStore,
  { all = false }: { readonly all?: boolean } = {},
): Promise<CatalogueEntry[]> {
  const relations = new ImageRelations(store.state);
  const entries = await listAll(store);
  const shown = entries.filter(({ image, names }) => all || names.length > 0 || !relations.hasChildren(image.id));
  const age = ({ image }: CatalogueEntry): bigint => createdAt(image.config) ?? 0n;
  return shown.toSorted((a, b) => (age(a) === age(b) ? 0 : age(a) > age(b) ? -1 : 1));
}

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
export function imageHistory(store: ClassicStore, image: Historic): HistoryRow[] {
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
        created: parseTime(entry.created ?? ""),
        size: layer?.size ?? 0,
        layer: layer?.digest,
      };
    })
    .toReversed();
}
