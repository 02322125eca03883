import { type Descriptor, type Digest, MediaType, digestOf } from "../core/index.ts";
import {
  type ImageConfig,
  type ImageLayer,
  encodeImageConfig,
  encodeManifest,
  readImageConfig,
} from "../image/index.ts";
import type { Hold } from "../record/index.ts";
import type { LocalImages } from "./types.ts";

/** The documents of an image before they are stored. */
export interface ImageDocuments {
  readonly id: Digest;
  /** The config as a reader of the bytes gets it. */
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  readonly layers: readonly ImageLayer[];
}

/** Encodes the config of an image that has these layers, and returns it with its ID. */
export function documentsOf(config: Omit<ImageConfig, "rootfs">, layers: readonly ImageLayer[]): ImageDocuments {
  const rootfs = { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) };
  const configBytes = encodeImageConfig({ ...config, rootfs });
  return { id: digestOf(configBytes), config: readImageConfig(configBytes), configBytes, layers };
}

async function put(bytes: Uint8Array, mediaType: string, store: LocalImages, hold: Hold): Promise<Descriptor> {
  const digest = digestOf(bytes);
  const size = bytes.byteLength;
  await store.content.put(bytes, { expected: { digest, size }, lease: hold.lease, signal: hold.signal });
  return { mediaType, digest, size };
}

/** Adds the layers to the lease, because nothing else may keep layers of the parent. */
function holdLayers({ layers }: ImageDocuments, { state, content }: LocalImages, { lease }: Hold): void {
  state.transaction(() => {
    for (const { descriptor } of layers)
      if (content.info(descriptor.digest) !== undefined) lease.add("blob", descriptor.digest);
  });
}

/** Stores the config and the manifest, and links them to the layers. Only the lease keeps them until the image is named. */
export async function writeDocuments(documents: ImageDocuments, store: LocalImages, hold: Hold): Promise<Descriptor> {
  const { configBytes, layers } = documents;
  holdLayers(documents, store, hold);
  const config = await put(configBytes, MediaType.ociConfig, store, hold);
  const bytes = encodeManifest({
    kind: "manifest",
    mediaType: MediaType.ociManifest,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  const manifest = await put(bytes, MediaType.ociManifest, store, hold);
  store.content.link(manifest.digest, [config.digest, ...layers.map(({ descriptor }) => descriptor.digest)]);
  return manifest;
}
