import { type Descriptor, MediaType, VarveError, digestOf } from "../../core/index.ts";
import { bytesOf, collect, verified } from "../../io/index.ts";
import type { Asking, ObjectStore, WriteCondition } from "../../objectstore/index.ts";
import type { EncodedBlob } from "../export/codec.ts";
import type { ReadBlob } from "../export/described.ts";
import { MAX_CONFIG } from "../document/config.ts";
import type { CloudBlobs } from "./cloud-cache.ts";
import { type ObjectCachePlace, blobKey } from "./object-place.ts";

/** A document of an object store, which is a cache config that describes its layers itself. */
export interface ObjectDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

/** Reads a document. Returns undefined if there is none. Throws `limit-exceeded` if it is too large. */
export async function readDocument(
  store: ObjectStore,
  key: string,
  asking: Asking,
): Promise<ObjectDocument | undefined> {
  const opened = await store.get(key, asking);
  if (opened === undefined) return undefined;
  const bytes = await collect(opened.bytes, MAX_CONFIG, { what: `${store.name}/${key}` });
  return { descriptor: descriptorOf(bytes), bytes, etag: opened.info.etag };
}

/** Returns the descriptor of a document. */
export function descriptorOf(bytes: Uint8Array): Descriptor {
  return { mediaType: MediaType.buildkitCacheConfig, digest: digestOf(bytes), size: bytes.byteLength };
}

/** Returns a function that reads and verifies blobs that documents name. It throws `not-found`, `limit-exceeded`, `corrupt`. */
export function blobReader(store: ObjectStore, place: Pick<ObjectCachePlace, "keys">, asking: Asking): ReadBlob {
  return cloudReader({ name: store.name, blob: (digest, how) => store.get(blobKey(place, digest), how) }, asking);
}

/** Does the same for any store. */
export function cloudReader(blobs: Pick<CloudBlobs, "name" | "blob">, asking: Asking): ReadBlob {
  return async (blob, signal = asking.signal) => {
    const what = `blob ${blob.digest}`;
    const opened = await blobs.blob(blob.digest, { ...asking, signal });
    if (opened === undefined)
      throw new VarveError("not-found", `Cannot read ${what} of ${blobs.name}: it does not exist`);
    return await collect(verified(opened.bytes, blob, { what }), MAX_CONFIG, { what });
  };
}

/** Writes a blob that a document names, unless a condition forbids that. */
export async function putBlob(
  store: ObjectStore,
  place: Pick<ObjectCachePlace, "keys">,
  { descriptor: { digest, size }, bytes }: EncodedBlob,
  asking: Asking & { readonly condition?: WriteCondition | undefined },
): Promise<void> {
  await store.put(blobKey(place, digest), { size, digest, open: () => bytesOf(bytes) }, asking);
}

const EMPTY = Buffer.from("{}");
/** A document without records. */
export const EMPTY_DOCUMENT: ObjectDocument = { descriptor: descriptorOf(EMPTY), bytes: EMPTY, etag: undefined };
