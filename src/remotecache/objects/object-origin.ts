import type { CacheOrigin } from "../import/origin.ts";
import { tooLarge } from "../import/registry-origin.ts";
import type { OnWait } from "../../io/index.ts";
import type { ObjectStore } from "../../objectstore/index.ts";
import { type ObjectCachePlace, documentKey } from "./object-place.ts";
import { EMPTY_DOCUMENT, blobReader, readDocument } from "./object-document.ts";

/** Returns one document of a cache in an object store as an origin. A document that does not exist counts as empty, as in BuildKit. */
export function objectOrigin(
  store: ObjectStore,
  place: ObjectCachePlace,
  { name, onWait }: { readonly name: string; readonly onWait?: OnWait | undefined },
): CacheOrigin {
  const key = documentKey(place, name);
  return {
    name: `${store.name}/${key}`,
    source: place.source,
    top: async (signal) => (await readDocument(store, key, { signal, onWait })) ?? EMPTY_DOCUMENT,
    blob: async (blob, limit, signal) => {
      if (blob.size > limit) throw tooLarge(blob, limit);
      return await blobReader(store, place, { signal, onWait })(blob);
    },
  };
}
