import { type Descriptor, type Digest, formatPlatform, hostPlatform } from "../core/index.ts";
import { type StoredImage, retryIfDamaged } from "../engine/index.ts";
import { isImageEntry, loadDocument, openImage, walkDescriptors } from "../image/index.ts";
import { listImageEntries } from "./list.ts";
import type { LocalImages } from "./types.ts";

/** An image in a store as listings show it. */
export interface ImageSummary {
  /** Normalised; undefined for an image without a name. */
  readonly name: string | undefined;
  /** Digest of the index or manifest that the name points to. */
  readonly digest: Digest;
  /** Digest of the config, which is the image ID of Docker. Undefined if the image cannot be read. */
  readonly id: Digest | undefined;
  readonly platforms: readonly string[];
  /** RFC 3339. */
  readonly created: string | undefined;
  /** Size of all blobs of the image in bytes, as stored. */
  readonly size: number;
}

export interface ListImagesOptions {
  /** Include images without a name that other images were built from. Default false. */
  readonly all?: boolean | undefined;
}

/** Returns a summary for each name, sorted by name, then for each image without a name, newest first. */
export async function listImages(store: LocalImages, { all = false }: ListImagesOptions = {}): Promise<ImageSummary[]> {
  const local = await listImageEntries(store, { all });
  const unnamed = local.filter(({ names }) => names.length === 0);
  const listed = [
    ...store.images.list(),
    ...unnamed.map(({ image }) => ({ name: undefined, descriptor: image.manifest })),
  ];
  return await Promise.all(listed.map((image) => summarize(store, image)));
}

async function summarize(store: LocalImages, { name, descriptor }: StoredImage): Promise<ImageSummary> {
  const base = { name, digest: descriptor.digest, size: await retryIfDamaged(() => sizeOf(store, descriptor)) };
  try {
    const manifests = await manifestsOf(store, descriptor);
    const image = await openImage(store.content, descriptor, hostPlatform()).catch(() =>
      openImage(store.content, manifests[0] ?? descriptor, hostPlatform()),
    );
    const platforms = manifests.flatMap(({ platform }) =>
      platform === undefined
        ? []
        : [`${platform.os}/${platform.architecture}${platform.variant === undefined ? "" : `/${platform.variant}`}`],
    );
    const own = image.platform === undefined ? [] : [formatPlatform(image.platform)];
    return {
      ...base,
      id: image.manifest.config.digest,
      platforms: platforms.length > 0 ? platforms : own,
      created: image.config.created ?? undefined,
    };
  } catch {
    return { ...base, id: undefined, platforms: [], created: undefined };
  }
}

async function manifestsOf(store: LocalImages, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  const { document } = await loadDocument(store.content, descriptor);
  return document.kind === "index" ? document.manifests.filter(isImageEntry) : [descriptor];
}

/** Returns the size of all blobs of an image in bytes, as stored. Each blob counts once. */
export async function sizeOf(store: LocalImages, root: Descriptor): Promise<number> {
  const sizes = new Map<Digest, number>();
  for await (const { descriptor } of walkDescriptors(store.content, root, { allowMissing: true })) {
    sizes.set(descriptor.digest, store.content.info(descriptor.digest)?.size ?? 0);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
