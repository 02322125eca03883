import { formatReference, parseReference, withDefaultTag } from "../core/index.ts";
import { nameImage } from "../image/index.ts";
import { requireImage } from "./find.ts";
import type { LocalImages } from "./types.ts";

/**
 * Adds a name to an image. An image that had the name before stays in the store, without that name.
 *
 * @throws {VarveError} `not-found` if `source` is not in the store, `invalid-argument` if `name` is not a valid reference.
 */
export async function tagImage(store: LocalImages, source: string, name: string): Promise<void> {
  const { descriptor } = await requireImage(store, source);
  await nameImage(store, formatReference(withDefaultTag(parseReference(name))), descriptor);
}
