import { ImageRelations, createdAt } from "../image/index.ts";
import { type CatalogueEntry, listAll } from "./find.ts";
import type { LocalImages } from "./types.ts";

/**
 * Images, newest first. Steps that others stand on and that have no name are left out unless `all` is set; an untagged
 * image that nobody stands on is listed.
 */
export async function listEntries(
  store: LocalImages,
  { all = false }: { readonly all?: boolean | undefined } = {},
): Promise<CatalogueEntry[]> {
  const relations = new ImageRelations(store.state);
  const entries = await listAll(store);
  const shown = entries.filter(({ image, names }) => all || names.length > 0 || !relations.hasChildren(image.id));
  const age = ({ image }: CatalogueEntry): bigint => createdAt(image.config) ?? 0n;
  return shown.toSorted((a, b) => (age(a) === age(b) ? 0 : age(a) > age(b) ? -1 : 1));
}
