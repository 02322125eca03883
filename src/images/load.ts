import {
  type Descriptor,
  type Platform,
  VarveError,
  familiarReference,
  formatPlatform,
  hostPlatform,
  parseReference,
} from "../core/index.ts";
import {
  type LocalImage,
  keepUntagged,
  loadArchive,
  matchesPlatform,
  nameImage,
  openAnyPlatform,
  openLocalImage,
} from "../image/index.ts";
import type { Bytes } from "../io/index.ts";
import type { LocalImages } from "./types.ts";

export interface LoadImagesOptions {
  /** The platform that every image must have. Default: any. */
  readonly platform?: Platform | undefined;
  /** Called for each image after it is stored, in order. */
  readonly onLoaded?: ((image: LoadedImage) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoadedImage {
  readonly descriptor: Descriptor;
  /** Normalised names; empty for an image that the archive does not name. */
  readonly names: readonly string[];
  /** The image of the wanted platform; undefined if its documents cannot be read. */
  readonly image: LocalImage | undefined;
}

/**
 * Loads the images of an archive (OCI or Docker, compressed or not). Images without a name are kept by their IDs. An image that had
 * one of the names before stays in the store, without that name.
 *
 * @throws {VarveError} `corrupt` or `invalid-image` if it is not a valid archive, `not-found` if an image is not for `platform`.
 */
export async function loadImages(
  store: LocalImages,
  bytes: Bytes,
  { platform, onLoaded, signal }: LoadImagesOptions = {},
): Promise<LoadedImage[]> {
  await using lease = await store.content.lease();
  const loaded: LoadedImage[] = [];
  for (const { descriptor, names } of await loadArchive(store.content, bytes, { lease, signal })) {
    const image = await openFor(store, descriptor, platform, signal);
    for (const name of names) await nameImage(store, name, descriptor);
    if (names.length === 0 && image !== undefined) keepUntagged(store, image);
    const each = { descriptor, names, image };
    loaded.push(each);
    onLoaded?.(each);
  }
  return loaded;
}

/** Returns the names to show for a loaded image, in their short form, or its ID if it has none. */
export function loadedNames({ names, image, descriptor }: LoadedImage): string[] {
  if (names.length === 0) return [image?.id ?? descriptor.digest];
  return names.map((name) => familiarReference(parseReference(name)));
}

async function openFor(
  store: LocalImages,
  descriptor: Descriptor,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<LocalImage | undefined> {
  if (platform === undefined) return await openAnyPlatform(store, descriptor, hostPlatform());
  const image = await openLocalImage(store, descriptor, platform, signal);
  if (matchesPlatform(platform, image.config)) return image;
  throw new VarveError("not-found", `requested platform(s) ([${formatPlatform(platform)}]) not found`);
}
