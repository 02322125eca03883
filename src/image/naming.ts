import { type Descriptor, type Digest, hostPlatform } from "../core/index.ts";
import { type ImageDocumentsStore, openAnyPlatform } from "./local-image.ts";
import { ImageRelations } from "./relations.ts";
import type { ImageStore } from "./image-store.ts";

/** The parts of a store that have images and their names. */
export interface NamedImagesStore extends ImageDocumentsStore {
  readonly images: ImageStore;
}

/**
 * Gives an image a name. An image that had the name before is kept, without a name if it has no other. Until the function
 * returns, a lease must keep the blobs, and they must be linked (`linkImage`). The change is durable.
 */
export async function nameImage(store: NamedImagesStore, name: string, descriptor: Descriptor): Promise<void> {
  const old = store.images.get(name);
  // The image that the name points to already loses no name.
  const isSame = old === undefined || old.descriptor.digest === descriptor.digest;
  const before = isSame ? undefined : await openAnyPlatform(store, old.descriptor, hostPlatform());
  const relations = new ImageRelations(store.state);
  store.state.transaction(
    () => {
      // Another process may have moved the name while its image was being read.
      const still = store.images.get(name)?.descriptor.digest === old?.descriptor.digest;
      store.images.tag(name, descriptor);
      if (!still || before === undefined || old === undefined) return;
      if (relations.names(before.manifest.digest).length === 0) relations.adopt(before.id, before.manifest);
    },
    { durable: true },
  );
}

/** Lets the collector keep an image without a name, for example one from an archive without names. */
export function keepUntagged(
  store: ImageDocumentsStore,
  image: { readonly id: Digest; readonly manifest: Descriptor },
): void {
  new ImageRelations(store.state).adopt(image.id, image.manifest);
}
