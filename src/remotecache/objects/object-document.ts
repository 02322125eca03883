import { type Descriptor, MediaType, digestOf } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import type { Asking, ObjectStore } from "../../objectstore/index.ts";
import { MAX_CONFIG } from "../document/config.ts";

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
