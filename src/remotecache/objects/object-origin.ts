import { VarveError } from "../../core/index.ts";
import type { CacheOrigin } from "../import/origin.ts";
import type { OnWait } from "../../io/index.ts";
import type { ObjectStore } from "../../objectstore/index.ts";
import { type ObjectCachePlace, documentKey } from "./object-place.ts";
import { descriptorOf, readDocument } from "./object-document.ts";

/** A document without records. */
const EMPTY = Buffer.from("{}");

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
    top: async (signal) =>
      (await readDocument(store, key, { signal, onWait })) ?? { descriptor: descriptorOf(EMPTY), bytes: EMPTY },
    blob: ({ digest }) =>
      Promise.reject(new VarveError("corrupt", `Cannot read ${digest}: the document has no further documents`)),
  };
}
