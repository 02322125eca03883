import { type Reference, parseReference } from "../core/index.ts";
import { type Store, type StoredImage, withRestoredBlobs } from "../engine/index.ts";
import type { NamedImage } from "../image/index.ts";
import type { Registry } from "../registry/index.ts";
import { requireNamedImage } from "./find.ts";
import type { ImageTransferOptions } from "./types.ts";

export interface PushImageOptions extends ImageTransferOptions {
  /** The client to ask, which has credentials of its own. Default: the store's. */
  readonly registry?: Registry | undefined;
}

/**
 * Pushes an image to the registry of its name. Layers that were never pulled are fetched, or mounted there.
 *
 * @throws {VarveError} `not-found` for a name that is not in the store; `unauthorized`, `remote`.
 */
export async function pushImage(store: Store, name: string, options: PushImageOptions = {}): Promise<NamedImage> {
  const image = await requireNamedImage(store, name);
  await pushStoredImage(store, image, parseReference(image.name), options);
  return image;
}

/** Pushes a manifest or an index with all it has in the store, under a name it need not have here. */
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
