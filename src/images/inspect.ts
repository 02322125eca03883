import { type Digest, type Platform, hostPlatform } from "../core/index.ts";
import { type Image, openImage } from "../image/index.ts";
import { requireImage } from "./find.ts";
import { sizeOf } from "./summaries.ts";
import type { LocalImages } from "./types.ts";

/** An image as `inspectImage` returns it. */
export interface InspectedImage {
  /** Every name of the image, normalised. */
  readonly names: readonly string[];
  /** Digest of the index or manifest that the names point to. */
  readonly digest: Digest;
  readonly image: Image;
  /** Size of all blobs of the image in bytes, as stored. */
  readonly size: number;
}

/**
 * Returns the manifest and the config of an image for one platform.
 *
 * @throws {VarveError} `not-found` if the store has no such image, or none for the platform.
 */
export async function inspectImage(
  store: LocalImages,
  name: string,
  platform: Platform = hostPlatform(),
): Promise<InspectedImage> {
  const named = await requireImage(store, name);
  const names = store.images
    .list()
    .filter(({ descriptor }) => descriptor.digest === named.descriptor.digest)
    .map((image) => image.name);
  return {
    names,
    digest: named.descriptor.digest,
    image: await openImage(store.content, named.descriptor, platform),
    size: await sizeOf(store, named.descriptor),
  };
}
