import { formatGoTime } from "../core/index.ts";
import { recordOf } from "./records.ts";
import { type ImageConfig, ImageRelations, type LocalImage } from "../image/index.ts";
import type { Hold } from "../record/index.ts";
import { asImageLayer, now } from "./commit.ts";
import type { LocalImages } from "./types.ts";
import { documentsOf, writeDocuments } from "./write.ts";

/**
 * Creates an image with the layers of `base`, if it is given, and one more layer with everything that `image` adds to them, even
 * if that is nothing. The history is that of `image`, without layers for instructions after `base`, and an entry for the new layer.
 * The new image has no name and no parent, and the cache does not use it. `image` and `base` do not change.
 */
export async function squashImage(
  image: LocalImage,
  base: LocalImage | undefined,
  store: LocalImages,
  hold: Hold,
): Promise<LocalImage> {
  const { records } = store;
  const lower = recordOf(base ?? { layers: [] }, records, hold.lease);
  const whole = await records.flatten(lower, recordOf(image, records, hold.lease), hold);
  const layers = await records.blobs(whole, {}, hold);
  const documents = documentsOf(squashedConfig(image, base), [
    ...(base?.layers ?? []),
    ...layers.slice(-1).map(asImageLayer),
  ]);
  const manifest = await writeDocuments(documents, store, hold);
  new ImageRelations(store.state).adopt(documents.id, manifest);
  return {
    id: documents.id,
    manifest,
    config: documents.config,
    layers: documents.layers,
    parent: undefined,
    builtHere: false,
    containerConfig: undefined,
  };
}

function squashedConfig({ id, config }: LocalImage, base: LocalImage | undefined): Omit<ImageConfig, "rootfs"> {
  const created = formatGoTime(now());
  const kept = base?.config.history.length ?? 0;
  const entries = config.history.map((entry, at) => (at < kept ? entry : { ...entry, empty_layer: true }));
  const comment = base === undefined ? `create new from ${id}` : `merge ${id} to ${base.id}`;
  return { ...config, created, history: [...entries, { created, comment }] };
}
