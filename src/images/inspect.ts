import { type Digest, type Platform, hostPlatform } from "../core/index.ts";
import { type Image, openImage } from "../image/index.ts";
import { requireImage } from "./find.ts";
import { sizeOf } from "./summaries.ts";
import type { LocalImages } from "./types.ts";

/** An image of one platform: manifest and config. */
export async function inspectImage(
  store: LocalImages,
  name: string,
  platform: Platform = hostPlatform(),
): Promise<{
  readonly names: readonly string[];
  readonly digest: Digest;
  readonly image: Image;
  readonly size: number;
}> {
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
