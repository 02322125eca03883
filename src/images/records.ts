import type { ImageLayer, LocalImage } from "../image/index.ts";
import type { Lease } from "../content/index.ts";
import type { Hold, RecordId, Records } from "../record/index.ts";
import type { LocalImages } from "./types.ts";

/** Returns the record of an image's filesystem. Its layers are unpacked when the record is mounted. */
export function recordOf(image: { readonly layers: readonly ImageLayer[] }, records: Records, lease: Lease): RecordId {
  const layers = image.layers.map(({ diffId, descriptor: { digest, size, mediaType } }) => ({
    diffId,
    digest,
    size,
    mediaType,
    sources: [],
    annotations: {},
  }));
  return records.addChain(layers, lease);
}

/** Adds an image to the lease. Returns false if the image is not in the store any more. */
export function holdImage({ manifest }: LocalImage, { state, content }: LocalImages, { lease }: Hold): boolean {
  return state.transaction(() => {
    if (content.info(manifest.digest) === undefined) return false;
    lease.add("blob", manifest.digest);
    return true;
  });
}
