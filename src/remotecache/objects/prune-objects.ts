import { type Digest, VarveError, isDigest, isVarveError } from "../../core/index.ts";
import type { Asking, ListedObject, ObjectStore } from "../../objectstore/index.ts";
import { bytesOf } from "../../io/index.ts";
import { decodeContents, encodeContents } from "../export/codec.ts";
import { describedConfig } from "../export/described.ts";
import { type PruneTargetOptions, type PrunedTarget, prunedContents } from "../export/prune.ts";
import { type ObjectCachePlace, documentKey } from "./object-place.ts";
import { blobReader, putBlob, readDocument } from "./object-document.ts";

/**
 * Blobs that were written later than this many milliseconds ago stay: a build that runs may have sent them, and not its document yet.
 */
const GRACE = 3_600_000;
/** Maximum number of documents that are read to find out what they need. If there are more, no blob is deleted. */
const MAX_DOCUMENTS = 10_000;

/**
 * Prunes the documents of a cache in an object store, then deletes blobs that no document needs. Blobs stay if they are young, and all
 * of them if a document cannot be read.
 *
 * @throws {VarveError} `not-found` if there is no cache; `busy` if another process writes at the same time; and what the store throws.
 */
export async function pruneObjects(
  store: ObjectStore,
  place: ObjectCachePlace,
  options: PruneTargetOptions = {},
): Promise<PrunedTarget> {
  const { grace = GRACE, signal } = options;
  let [generations, records, found] = [0, 0, 0];
  for (const name of place.names) {
    const lost = await pruneDocument(store, place, documentKey(place, name), options);
    if (lost === undefined) continue;
    found += 1;
    generations += lost.generations;
    records += lost.records;
  }
  if (found === 0) throw new VarveError("not-found", `Cannot prune cache ${place.name}: it does not exist`);
  return { generations, records, ...(await collectBlobs(store, place, grace, { signal })) };
}

async function pruneDocument(
  store: ObjectStore,
  place: ObjectCachePlace,
  key: string,
  options: PruneTargetOptions,
): Promise<Pick<PrunedTarget, "generations" | "records"> | undefined> {
  const asking = { signal: options.signal };
  const document = await readDocument(store, key, asking);
  if (document === undefined) return undefined;
  const { bytes, descriptor, etag } = document;
  const contents = await decodeContents({ bytes, type: descriptor.mediaType }, blobReader(store, place, asking));
  if (contents === undefined) return undefined;
  await contents.graph.loadNotes(options.signal);
  const { contents: kept, lost } = prunedContents(contents, options);
  if (lost.generations === 0) return lost;
  if ((await store.head(key, asking))?.etag !== etag) throw busy(key);
  if (kept.generations.length === 0) await store.delete(key, asking);
  else {
    const condition = etag === undefined ? {} : { condition: { kind: "unchanged", etag } as const };
    const { manifest, notes } = encodeContents(kept, "annotated", options);
    if (notes !== undefined) await putBlob(store, place, notes, asking);
    const { bytes: pruned } = manifest;
    const body = { size: pruned.byteLength, open: () => bytesOf(pruned) };
    if ((await store.put(key, body, { ...asking, ...condition })).kind === "conflict") throw busy(key);
  }
  return lost;
}

function busy(key: string): VarveError {
  return new VarveError("busy", `Cannot prune cache ${key}: another process has just written to it`);
}

async function collectBlobs(
  store: ObjectStore,
  place: ObjectCachePlace,
  grace: number,
  asking: Asking,
): Promise<Pick<PrunedTarget, "blobs" | "bytes">> {
  const before = Date.now() - grace;
  const candidates: ListedObject[] = [];
  for await (const object of store.list(place.keys.blobs, asking)) {
    const name = object.key.slice(place.keys.blobs.length);
    if (isDigest(name) && object.modified > 0 && object.modified < before) candidates.push(object);
  }
  const needed = candidates.length === 0 ? undefined : await neededBlobs(store, place, asking);
  if (needed === undefined) return { blobs: 0, bytes: 0 };
  let [blobs, bytes] = [0, 0];
  for (const { key, size } of candidates) {
    const digest = key.slice(place.keys.blobs.length);
    if (isDigest(digest) && needed.has(digest)) continue;
    await store.delete(key, asking);
    blobs += 1;
    bytes += size;
  }
  return { blobs, bytes };
}

/** Returns the blobs that all documents of the store need; undefined if that cannot be found out, or if there are more than `most`. */
export async function neededBlobs(
  store: ObjectStore,
  place: ObjectCachePlace,
  { most = MAX_DOCUMENTS, ...asking }: Asking & { readonly most?: number | undefined },
): Promise<ReadonlySet<Digest> | undefined> {
  const needed = new Set<Digest>();
  let documents = 0;
  for await (const { key } of store.list(place.keys.documents, asking)) {
    documents += 1;
    if (documents > most) return undefined;
    try {
      const document = await readDocument(store, key, asking);
      if (document === undefined) continue;
      const described = await describedConfig(
        document.bytes,
        document.descriptor.mediaType,
        blobReader(store, place, asking),
      );
      if (described?.notes !== undefined) needed.add(described.notes.digest);
      for (const digest of described?.layers.keys() ?? []) needed.add(digest);
    } catch (error) {
      if (isVarveError(error, "corrupt", "limit-exceeded")) return undefined;
      throw error;
    }
  }
  return needed;
}
