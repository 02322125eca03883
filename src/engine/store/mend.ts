import { damagedBlobOf, edgesFrom, edgesTo } from "../../content/index.ts";
import { type Descriptor, type Digest, VarveError, distributionSources, isVarveError } from "../../core/index.ts";
import { isDocumentType, walkDescriptors } from "../../image/index.ts";
import type { Hold } from "../../record/index.ts";
import type { Store } from "./store.ts";

/** What is in a store under a name, or kept there without one. */
export interface StoredImage {
  readonly name: string | undefined;
  readonly descriptor: Descriptor;
}

/**
 * Does something with the blobs of images. What is lost of them is brought back before; what turns out to be damaged is brought
 * back too, and the work is done again, once for each blob. Throws with the image's name where a blob cannot be had.
 */
export async function mending<T>(
  store: Store,
  images: readonly StoredImage[],
  hold: Hold,
  work: () => Promise<T>,
): Promise<T> {
  return await againIfDamaged(async () => {
    await restoreImages(store, images, hold);
    return await work();
  });
}

/** Does something again when a blob turns out to be damaged, once for each blob: it is lost then, and counts for no one. */
export async function againIfDamaged<T>(
  work: () => Promise<T>,
  onDamage: (error: VarveError) => void = () => undefined,
): Promise<T> {
  const seen = new Set<Digest>();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const digest = damagedBlobOf(error);
      if (digest === undefined || seen.has(digest)) throw error;
      seen.add(digest);
      onDamage(error as VarveError);
    }
  }
}

/** Brings back the blobs of images that were lost. Throws with the image's and the blob's names where that cannot be. */
export async function restoreImages(store: Store, images: readonly StoredImage[], hold: Hold): Promise<void> {
  const next = (image: StoredImage): Promise<LostBlob | undefined> =>
    againIfDamaged(() => firstLost(store, image, hold));
  for (const image of images)
    for (let lost = await next(image); lost !== undefined; lost = await next(image))
      await restore(store, image, lost, hold);
}

interface LostBlob {
  readonly descriptor: Descriptor;
  /** Documents that lead to it, which are where it is. */
  readonly parents: readonly Digest[];
}

/** A blob that an image had and that is not there now: of other platforms' manifests some were never fetched. */
async function firstLost(
  { content, state }: Store,
  { descriptor: root }: StoredImage,
  { signal }: Hold,
): Promise<LostBlob | undefined> {
  if (content.info(root.digest) === undefined) return { descriptor: root, parents: [] };
  const options = { allowMissing: true, signal };
  for await (const { descriptor, children } of walkDescriptors(content, root, options)) {
    const kept = new Set(edgesFrom(state, { kind: "blob", id: descriptor.digest }).map(({ id }) => id));
    const lost = children.find(({ digest }) => kept.has(digest) && content.info(digest) === undefined);
    if (lost !== undefined) return { descriptor: lost, parents: [descriptor.digest, root.digest] };
  }
  return undefined;
}

async function restore(
  store: Store,
  { name, descriptor: root }: StoredImage,
  lost: LostBlob,
  hold: Hold,
): Promise<void> {
  const { digest } = lost.descriptor;
  let cause: unknown;
  for (const way of [makeAgain, fetchAgain]) {
    try {
      await way(store, lost, hold);
    } catch (error) {
      if (isVarveError(error, "cancelled")) throw error;
      cause = error;
    }
    if (store.content.info(digest) !== undefined) return;
  }
  const what = name ?? root.digest;
  throw new VarveError("storage", `Cannot read image ${what}: its blob ${digest} was damaged on disk, and is lost`, {
    details: { image: what, digest },
    hint: `Pull, load or build ${what} again.`,
    cause,
  });
}

/** Of the tree of a layer that was made here. */
async function makeAgain({ records, state }: Store, { descriptor }: LostBlob, hold: Hold): Promise<void> {
  for (const { kind, id } of edgesTo(state, { kind: "blob", id: descriptor.digest }))
    if (kind === "record") await records.blobs(id, {}, hold);
}

/** From a repository that has it, or has the image it is a part of. */
async function fetchAgain(store: Store, { descriptor, parents }: LostBlob, hold: Hold): Promise<void> {
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

/** A document keeps the edges it had: of an index, to the parts that were wanted. */
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
