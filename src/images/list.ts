import { ImageRelations, createdAt } from "../image/index.ts";
import { type ImageEntry, allImageEntries } from "./find.ts";
import type { LocalImages } from "./types.ts";

/**
 * Returns images, newest first. With `all`, they include images without a name that other images were built from.
 */
export async function listImageEntries(
  store: LocalImages,
  { all = false }: { readonly all?: boolean | undefined } = {},
): Promise<ImageEntry[]> {
  const relations = new ImageRelations(store.state);
  const entries = await allImageEntries(store);
  const shown = entries.filter(({ image, names }) => all || names.length > 0 || !relations.hasChildren(image.id));
  const age = ({ image }: ImageEntry): bigint => createdAt(image.config) ?? 0n;
  return shown.toSorted((a, b) => (age(a) === age(b) ? 0 : age(a) > age(b) ? -1 : 1));
}
