import { type Reference, parseReference } from "../core/index.ts";
import { type Store, type StoredImage, withRestoredBlobs } from "../engine/index.ts";
import type { NamedImage } from "../image/index.ts";
import type { Registry } from "../registry/index.ts";
import { requireNamedImage } from "./find.ts";
import type { ImageTransferOptions } from "./types.ts";

export interface PushImageOptions extends ImageTransferOptions {
  /** A registry client with other credentials. Default: the client of the store. */
  readonly registry?: Registry | undefined;
}

/**
 * Pushes an image to the registry in its name. Layers that were never pulled are mounted from another repository of the registry, or
 * fetched and pushed.
 *
 * @throws {VarveError} `not-found` if the store has no such image, `unauthorized` or `remote` from the registry.
 */
export async function pushImage(store: Store, name: string, options: PushImageOptions = {}): Promise<NamedImage> {
  const image = await requireNamedImage(store, name);
  await pushStoredImage(store, image, parseReference(image.name), options);
  return image;
}

/** Pushes a manifest or an index, and everything below it that is in the store. `reference` need not be a name of it in the store. */
export async function pushStoredImage(
  store: Store,
  image: StoredImage,
  reference: Reference,
  options: PushImageOptions = {},
): Promise<void> {
  const { push } = await import("../registry/index.ts");
  const { signal, onWait, onTransfer: onEvent } = options;
  const registry = options.registry ?? (await store.registry());
  await using lease = await store.content.lease();
  lease.add("blob", image.descriptor.digest);
  await withRestoredBlobs(store, [image], { lease, signal, onWait }, () =>
    push(registry, [reference], { store: store.content, target: image.descriptor, signal, onWait, onEvent }),
  );
}
