import { formatReference, parseReference, withDefaultTag } from "../core/index.ts";
import { nameImage } from "../image/index.ts";
import { requireImage } from "./find.ts";
import type { LocalImages } from "./types.ts";

/**
 * Gives an image a further name. An image that had the name before stays, if need be without one.
 *
 * @throws {VarveError} `not-found` if `source` is not in the store, `invalid-argument` for what is no name.
 */
export async function tagImage(store: LocalImages, source: string, name: string): Promise<void> {
  const { descriptor } = await requireImage(store, source);
  await nameImage(store, formatReference(withDefaultTag(parseReference(name))), descriptor);
}
