import type { Descriptor, Digest } from "../../core/index.ts";
import { type Bytes, Semaphore, bytesOf } from "../../io/index.ts";
import type { ObjectInfo, ObjectStore, WriteCondition } from "../../objectstore/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { OnTransfer } from "../../registry/index.ts";
import type { ReleasedBlob } from "../document/released.ts";
import { neededBlobs } from "./prune-objects.ts";
import type { CollectionTimes } from "../export/release.ts";
import type { Composed } from "../export/compose.ts";
import type { DocumentPlace, PlaceRequest, Published, VersionedDocument } from "../export/document-place.ts";
import { type PlaceTargetOptions, placeTarget } from "../export/document-writer.ts";
import { BlobLookup } from "./blob-lookup.ts";
import { readExisting } from "../export/existing-document.ts";
import type { CacheTarget } from "../export/target.ts";
import { type ObjectCachePlace, blobKey, documentKey } from "./object-place.ts";
import { EMPTY_DOCUMENT, blobReader, putBlob, readDocument } from "./object-document.ts";
import { sendReported } from "./reported.ts";

/** Options of `objectTarget`. */
export interface ObjectTargetOptions extends PlaceTargetOptions {
  readonly store: ObjectStore;
  readonly place: ObjectCachePlace;
  readonly onEvent?: OnTransfer | undefined;
}

/**
 * Returns a cache in an object store as a target. It sends the blobs that are missing, touches those that are old, and writes the
 * documents of all names. Concurrent writers keep each other's records.
 */
export function objectTarget(options: ObjectTargetOptions): CacheTarget {
  const blobs = new BlobWriter(options);
  const targets = options.place.names.map((name) => placeTarget(new ObjectPlace(name, blobs, options), options));
  return {
    async write(exported, scope, hold): Promise<Descriptor | undefined> {
      let written: Descriptor | undefined;
      for (const target of targets) written = await target.write(exported, scope, hold);
      return written;
    },
  };
}

/** Writes blobs, each once for all documents. */
class BlobWriter {
  readonly #options: ObjectTargetOptions;
  readonly #slots: Semaphore;
  readonly #lookup: BlobLookup;
  readonly #written = new Set<Digest>();

  constructor(options: ObjectTargetOptions) {
    this.#options = options;
    this.#slots = new Semaphore(options.place.parallelism);
    this.#lookup = new BlobLookup(options.store, options.place);
  }

  async write(layer: RemoteLayer, open: (offset: number) => Bytes, request: PlaceRequest): Promise<void> {
    const { store, place, onEvent } = this.#options;
    const { digest, size } = layer;
    if (this.#written.has(digest)) return;
    await sendReported(layer, place.name, onEvent, async (reported) => {
      using _slot = await this.#slots.acquire(request.signal);
      const key = blobKey(place, digest);
      const info = await this.#lookup.find(digest, request);
      if (info === undefined || info.size !== size) {
        await store.put(key, { size, digest, open: () => reported(open(0)) }, request);
        return "done";
      }
      if (this.#isOld(info)) await store.touch(key, info, request);
      return "exists";
    });
    this.#written.add(digest);
  }

  async has(digest: Digest, request: PlaceRequest): Promise<boolean> {
    return (await this.#options.store.head(blobKey(this.#options.place, digest), request)) !== undefined;
  }

  #isOld({ modified }: ObjectInfo): boolean {
    const { place, grace = Infinity, now = Date.now } = this.#options;
    return modified > 0 && now() - modified > Math.min(place.touchAfter, grace / 2);
  }
}

/** Maximum number of documents that are read after an export. If there are more, blobs stay until the cache is pruned. */
const MAX_DOCUMENTS = 200;

/** The ETag of no object. */
const NO_ETAG = '"00000000000000000000000000000000"';

/** One document of a cache. Its version is its ETag. */
class ObjectPlace implements DocumentPlace {
  readonly name: string;
  readonly form = "annotated";
  readonly layersLive = "own";
  readonly settles = 500;
  readonly #key: string;
  readonly #blobs: BlobWriter;
  readonly #options: ObjectTargetOptions;
  #isProbed = false;

  constructor(name: string, blobs: BlobWriter, options: ObjectTargetOptions) {
    this.#key = documentKey(options.place, name);
    this.name = `${options.store.name}/${this.#key}`;
    this.#blobs = blobs;
    this.#options = options;
  }

  async version(request: PlaceRequest): Promise<string | undefined> {
    return (await this.#options.store.head(this.#key, request))?.etag;
  }

  async existing(request: PlaceRequest, isKnown: (digest: Digest) => boolean): Promise<VersionedDocument> {
    const { store, place, warn } = this.#options;
    const document = await readDocument(store, this.#key, request);
    if (document === undefined) return { version: undefined };
    const { descriptor, etag } = document;
    if (isKnown(descriptor.digest)) return { descriptor, version: etag };
    const read = blobReader(store, place, request);
    return { ...(await readExisting(document, read, { name: this.name, warn })), version: etag };
  }

  async pushLayer(layer: RemoteLayer, open: (offset: number) => Bytes, request: PlaceRequest): Promise<void> {
    await this.#blobs.write(layer, open, request);
  }

  async hasLayer({ digest }: { readonly digest: Digest }, request: PlaceRequest): Promise<boolean> {
    return await this.#blobs.has(digest, request);
  }

  async collect(
    released: readonly ReleasedBlob[],
    { now, grace }: CollectionTimes,
    request: PlaceRequest,
  ): Promise<void> {
    const { store, place } = this.#options;
    const blobs = released.filter(({ kind }) => kind === "blob");
    const needed =
      blobs.length === 0 ? undefined : await neededBlobs(store, place, { ...request, most: MAX_DOCUMENTS });
    if (needed === undefined) return;
    for (const { digest } of blobs.filter((blob) => !needed.has(blob.digest))) {
      const key = blobKey(place, digest);
      const info = await store.head(key, request);
      // Writers of other documents touch what they are about to need.
      if (info !== undefined && info.modified > 0 && info.modified < now - grace) await store.delete(key, request);
    }
  }

  async prepare({ notes }: Composed, request: PlaceRequest): Promise<void> {
    const { store, place } = this.#options;
    await Promise.all([notes === undefined ? undefined : putBlob(store, place, notes, request), this.#probe(request)]);
  }

  async publish({ manifest }: Composed, before: string | undefined, request: PlaceRequest): Promise<Published> {
    const { store } = this.#options;
    if (store.conditionalWrites !== "enforced" && (await this.version(request)) !== before) return { kind: "conflict" };
    const { bytes, descriptor } = manifest;
    const body = { size: bytes.byteLength, digest: descriptor.digest, open: () => bytesOf(bytes) };
    const written = await store.put(this.#key, body, { ...request, condition: conditionOf(before) });
    if (written.kind === "conflict") return { kind: "conflict" };
    return { kind: "written", version: written.etag, isFinal: store.conditionalWrites === "enforced" };
  }

  /**
   * Finds out whether the store honours conditions: writes a blob of two bytes, which no document needs, on a condition that is not met. A
   * store that ignores conditions has it then.
   */
  async #probe(request: PlaceRequest): Promise<void> {
    const { store, place } = this.#options;
    if (this.#isProbed || store.conditionalWrites !== "unproven") return;
    this.#isProbed = true;
    await putBlob(store, place, EMPTY_DOCUMENT, { ...request, condition: { kind: "unchanged", etag: NO_ETAG } });
  }
}

function conditionOf(before: string | undefined): WriteCondition {
  return before === undefined ? { kind: "absent" } : { kind: "unchanged", etag: before };
}
