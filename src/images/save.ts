import type { Descriptor } from "../core/index.ts";
import { type Store, type StoredImage, withRestoredBlobs, restoreImages } from "../engine/index.ts";
import { type ArchiveFormat, writeArchive } from "../image/index.ts";
import type { Bytes } from "../io/index.ts";
import { requireImage } from "./find.ts";

export interface SaveOptions {
  /** Default `docker`, which is an OCI layout with a `manifest.json`. */
  readonly format?: ArchiveFormat | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An image to write to an archive. */
export interface SavedImage {
  readonly descriptor: Descriptor;
  /** Normalised names. */
  readonly names: readonly string[];
}

type ArchiveBytes = Bytes & AsyncGenerator<Uint8Array>;

/**
 * Writes images as one archive. Restores missing blobs first.
 *
 * @throws {VarveError} `not-found` before the first byte if an image is not in the store; `storage` during the archive if a blob is
 * damaged. The next call restores the blob.
 */
export async function* saveImages(store: Store, names: readonly string[], options: SaveOptions = {}): ArchiveBytes {
  const images = await Promise.all(names.map((name) => requireImage(store, name)));
  yield* saveStoredImages(store, grouped(images), options);
}

/** Writes manifests or indexes as one archive, under the given names. */
export async function* saveStoredImages(
  store: Store,
  images: readonly SavedImage[],
  options: SaveOptions = {},
): ArchiveBytes {
  await using lease = await store.content.lease();
  const stored = images.map(({ names, descriptor }) => ({ name: names[0], descriptor }));
  await restoreImages(store, stored, { lease, signal: options.signal });
  yield* archiveOf(store, images, options);
}

/** Like `saveImages`, but writes to a file, or to standard output for `-`. A file is written again if a blob had to be restored. */
export async function saveImagesTo(
  dest: string,
  store: Store,
  names: readonly string[],
  options: SaveOptions = {},
): Promise<void> {
  const { writeDest } = await import("../export/index.ts");
  const images = await Promise.all(names.map((name) => requireImage(store, name)));
  await using lease = await store.content.lease();
  const hold = { lease, signal: options.signal };
  await withRestoredBlobs(store, images, hold, () => writeDest(dest, archiveOf(store, grouped(images), options), hold));
}

/** Merges images with the same descriptor into one with all their names. */
function grouped(images: readonly StoredImage[]): SavedImage[] {
  const byDigest = Map.groupBy(images, (image) => image.descriptor.digest);
  return Array.from(byDigest.values()).flatMap(([first, ...rest]) =>
    first === undefined
      ? []
      : [{ descriptor: first.descriptor, names: [first, ...rest].flatMap((image) => image.name ?? []) }],
  );
}

function archiveOf(
  { content }: Store,
  images: readonly SavedImage[],
  { format = "docker", signal }: SaveOptions,
): ArchiveBytes {
  return writeArchive(content, { images, format, created: Math.floor(Date.now() / 1000), signal });
}
