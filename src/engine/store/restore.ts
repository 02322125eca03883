import { damagedBlobOf, edgesFrom, edgesTo } from "../../content/index.ts";
import { type Descriptor, type Digest, VarveError, distributionSources, isVarveError } from "../../core/index.ts";
import { isDocumentType, walkDescriptors } from "../../image/index.ts";
import type { Hold } from "../../record/index.ts";
import type { Store } from "./store.ts";

/** An image in a store, with or without a name. */
export interface StoredImage {
  readonly name: string | undefined;
  readonly descriptor: Descriptor;
}

/**
 * Runs `work`, which reads the blobs of images. Restores missing blobs first. If a blob turns out to be damaged, restores it and runs
 * `work` again, once for each blob.
 *
 * @throws {VarveError} `storage` with the name of the image if a blob cannot be restored, and what `work` throws.
 */
export async function withRestoredBlobs<T>(
  store: Store,
  images: readonly StoredImage[],
  hold: Hold,
  work: () => Promise<T>,
): Promise<T> {
  return await retryIfDamaged(async () => {
    await restoreImages(store, images, hold);
    return await work();
  });
}

/**
 * Runs `work`, and runs it again if it fails because a blob is damaged, once for each blob. A damaged blob is in quarantine by
 * then, so that `work` finds it missing. Calls `onDamage` before it runs `work` again.
 */
export async function retryIfDamaged<T>(
  work: () => Promise<T>,
  onDamage: (error: VarveError) => void = () => undefined,
): Promise<T> {
  const damaged = new Set<Digest>();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const digest = damagedBlobOf(error);
      if (!isVarveError(error) || digest === undefined || damaged.has(digest)) throw error;
      damaged.add(digest);
      onDamage(error);
    }
  }
}

/**
 * Restores the missing blobs of images.
 *
 * @throws {VarveError} `storage` with the names of the image and the blob if one cannot be restored.
 */
export async function restoreImages(store: Store, images: readonly StoredImage[], hold: Hold): Promise<void> {
  const nextMissing = (image: StoredImage): Promise<MissingBlob | undefined> =>
    retryIfDamaged(() => firstMissing(store, image, hold));
  for (const image of images)
    for (let blob = await nextMissing(image); blob !== undefined; blob = await nextMissing(image))
      await restore(store, image, blob, hold);
}

interface MissingBlob {
  readonly descriptor: Descriptor;
  /** Documents that refer to it. The blob can be fetched from where they came from. */
  readonly parents: readonly Digest[];
}

/** Returns a blob that the image had and that is missing now. Manifests of other platforms that were never fetched do not count. */
async function firstMissing(
  { content, state }: Store,
  { descriptor: root }: StoredImage,
  { signal }: Hold,
): Promise<MissingBlob | undefined> {
  if (content.info(root.digest) === undefined) return { descriptor: root, parents: [] };
  const options = { allowMissing: true, signal };
  for await (const { descriptor, children } of walkDescriptors(content, root, options)) {
    const kept = new Set(edgesFrom(state, { kind: "blob", id: descriptor.digest }).map(({ id }) => id));
    const missing = children.find(({ digest }) => kept.has(digest) && content.info(digest) === undefined);
    if (missing !== undefined) return { descriptor: missing, parents: [descriptor.digest, root.digest] };
  }
  return undefined;
}

async function restore(
  store: Store,
  { name, descriptor: root }: StoredImage,
  missing: MissingBlob,
  hold: Hold,
): Promise<void> {
  const { digest } = missing.descriptor;
  let cause: unknown;
  for (const attempt of [packSnapshot, fetchFromSources]) {
    try {
      await attempt(store, missing, hold);
    } catch (error) {
      if (isVarveError(error, "cancelled")) throw error;
      cause = error;
    }
    if (store.content.info(digest) !== undefined) return;
  }
  const what = name ?? root.digest;
  throw new VarveError("storage", `Cannot read image ${what}: its blob ${digest} was damaged and cannot be restored`, {
    details: { image: what, digest },
    hint: `Pull, load or build ${what} again.`,
    cause,
  });
}

/** Creates a layer's blob again from its snapshot, if there is one. */
async function packSnapshot({ records, state }: Store, { descriptor }: MissingBlob, hold: Hold): Promise<void> {
  for (const { kind, id } of edgesTo(state, { kind: "blob", id: descriptor.digest }))
    if (kind === "record") await records.blobs(id, {}, hold);
}

/** Fetches a blob from the repositories that it or its image came from. */
async function fetchFromSources(store: Store, { descriptor, parents }: MissingBlob, hold: Hold): Promise<void> {
  const { content } = store;
  const sources = new Set([descriptor.digest, ...parents].flatMap((each) => distributionSources(content.labels(each))));
  let failure: unknown;
  for (const source of sources) {
    try {
      return await fetchFrom(source, store, descriptor, hold);
    } catch (error) {
      if (isVarveError(error, "cancelled")) throw error;
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
}

/** Fetches a blob from one repository. Edges from a document to its children are still in the database. */
async function fetchFrom(source: string, store: Store, descriptor: Descriptor, hold: Hold): Promise<void> {
  const slash = source.indexOf("/");
  const reference = { registry: source.slice(0, slash), repository: source.slice(slash + 1) };
  const { digest, size, mediaType } = descriptor;
  const { content } = store;
  const registry = await store.registry();
  if (isDocumentType(mediaType)) {
    const { bytes } = await registry.manifest({ ...reference, digest }, hold);
    await content.put(bytes, { expected: { digest, size }, ...hold });
  } else {
    const { fetchBlob } = await import("../../registry/index.ts");
    await fetchBlob(registry, reference, descriptor, { ...hold, store: content });
  }
}
