import type { Digest, Platform, Reference } from "../core/index.ts";
import type { NamedImage } from "../image/index.ts";
import * as images from "../images/index.ts";
import type { Bytes } from "../io/index.ts";
import { type Store, partsOf } from "./store.ts";

/**
 * Lists images: those with a name in order of it, then those without, newest first.
 *
 * @example
 * for (const { name, size } of await listImages(store)) console.log(name, size);
 */
export async function listImages(store: Store, options?: images.ListImagesOptions): Promise<images.ImageSummary[]> {
  return await images.listImages(partsOf(store), options);
}

/**
 * Returns the manifest and the config of an image. `name` is a name, an ID, a digest, or the first four or more digits of one. The
 * default platform is this machine's.
 *
 * @throws {VarveError} `not-found` if the store has no such image, or none for the platform.
 */
export async function inspectImage(store: Store, name: string, platform?: Platform): Promise<images.InspectedImage> {
  return await images.inspectImage(partsOf(store), name, platform);
}

/**
 * Returns the history of an image, newest instruction first. The default platform is this machine's.
 *
 * @throws {VarveError} `not-found` if the store has no such image, or none for the platform.
 */
export async function imageHistory(store: Store, name: string, platform?: Platform): Promise<images.HistoryLine[]> {
  return await images.imageHistory(partsOf(store), name, platform);
}

/**
 * Gives an image another name. An image that had the name before stays in the store, without a name if it has no other.
 *
 * @throws {VarveError} `not-found` if the store has no image `source`, `invalid-argument` if `name` is not a valid reference.
 */
export async function tagImage(store: Store, source: string, name: string): Promise<void> {
  await images.tagImage(partsOf(store), source, name);
}

/**
 * Pulls an image with all its layers and stores it under its name.
 *
 * @throws {VarveError} `not-found`, `unauthorized` or `remote` from the registry, `invalid-image` if the image cannot be used.
 *
 * @example
 * const { descriptor } = await pullImage(store, "registry.example/app:1", { platform: parsePlatform("linux/arm64") });
 */
export async function pullImage(
  store: Store,
  name: string | Reference,
  options?: images.PullImageOptions,
): Promise<NamedImage> {
  return await images.pullImage(partsOf(store), name, options);
}

/**
 * Pushes an image to the registry that its name says. Layers that the store does not have are mounted from the repository they
 * came from, or copied from it.
 *
 * @throws {VarveError} `not-found` if the store has no such image, `unauthorized` or `remote` from the registry.
 */
export async function pushImage(store: Store, name: string, options?: images.PushImageOptions): Promise<NamedImage> {
  return await images.pushImage(partsOf(store), name, options);
}

/**
 * Loads the images of an OCI or Docker archive, compressed or not, and stores them under their names.
 *
 * @throws {VarveError} `corrupt` or `invalid-image` if `bytes` is not an archive of images, `not-found` if an image is not for
 * `platform`.
 */
export async function loadImages(
  store: Store,
  bytes: Bytes,
  options?: images.LoadImagesOptions,
): Promise<images.LoadedImage[]> {
  return await images.loadImages(partsOf(store), bytes, options);
}

/**
 * Returns images as one archive.
 *
 * @throws {VarveError} `not-found` before the first byte if the store does not have an image, `storage` if a blob turns out to be
 * damaged while it is read; another call restores the blob first, where that is possible.
 */
export function saveImages(
  store: Store,
  names: readonly string[],
  options?: images.SaveOptions,
): AsyncGenerator<Uint8Array> {
  return images.saveImages(partsOf(store), names, options);
}

/**
 * Writes images as one archive to the file `dest`, or to standard output for `-`. Blobs that turn out to be damaged are restored,
 * where that is possible.
 *
 * @throws {VarveError} `not-found` if the store does not have an image, `storage` if the file cannot be written.
 */
export async function saveImagesTo(
  dest: string,
  store: Store,
  names: readonly string[],
  options?: images.SaveOptions,
): Promise<void> {
  await images.saveImagesTo(dest, partsOf(store), names, options);
}

/**
 * Removes a name of an image, and the image with its last name. Disk space is freed by `prune`.
 *
 * @throws {VarveError} `not-found` if the store has no such image, `busy` if other names, images or containers need it.
 */
export async function removeImage(
  store: Store,
  name: string,
  options?: images.RemoveOptions,
): Promise<readonly images.Removal[]> {
  return await images.removeImage(partsOf(store), name, options);
}

/** Removes the images that have no name and that no other image was built from; returns their IDs. */
export async function pruneUntagged(store: Store, signal?: AbortSignal): Promise<Digest[]> {
  return await images.pruneUntagged(partsOf(store), signal);
}
