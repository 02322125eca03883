import { join } from "node:path";
import { type ContentStore, type Lease, openContentStore } from "../src/content/index.ts";
import { type Descriptor, type Digest, MediaType, digestOf, goJson } from "../src/core/index.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import { openState } from "../src/state/index.ts";

export interface TemporaryStore extends AsyncDisposable {
  readonly store: ContentStore;
  readonly lease: Lease;
  readonly path: string;
}

/** An empty content store in a directory of its own, with a lease; removed when disposed of. */
export async function temporaryStore(): Promise<TemporaryStore> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory("varve-content-"));
  const state = openState(join(path, "state.db"));
  stack.defer(() => state.close());
  const store = openContentStore(join(path, "content"), state);
  const lease = stack.use(await store.lease());
  const owned = stack.move();
  return { store, lease, path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function putBytes(
  { store, lease }: Pick<TemporaryStore, "store" | "lease">,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const { digest, size } = await store.put(bytes, { lease });
  return { mediaType, digest, size };
}

export interface ImageOptions {
  readonly layers: readonly Uint8Array[];
  readonly architecture?: string;
  /** Of the layers; the bytes are taken as they are. */
  readonly layerType?: string;
  /** Where the layers are published. */
  readonly urls?: readonly string[];
}

/** Puts an image into a store whose layers are the given bytes, whatever they are. */
export async function putImage(
  into: Pick<TemporaryStore, "store" | "lease">,
  { layers, architecture = "amd64", layerType = MediaType.ociLayer, urls }: ImageOptions,
): Promise<Descriptor> {
  const diffIds: Digest[] = layers.map((layer) => digestOf(layer));
  const config = goJson({ architecture, os: "linux", config: {}, rootfs: { type: "layers", diff_ids: diffIds } });
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: await putBytes(into, MediaType.ociConfig, Buffer.from(config)),
    layers: await Promise.all(layers.map(async (layer) => ({ ...(await putBytes(into, layerType, layer)), urls }))),
  };
  const manifest = await putBytes(into, MediaType.ociManifest, Buffer.from(JSON.stringify(document)));
  into.store.link(manifest.digest, [document.config.digest, ...document.layers.map(({ digest }) => digest)]);
  return { ...manifest, platform: { architecture, os: "linux" } };
}

/** Puts an index of the given manifests into a store. */
export async function putIndex(
  into: Pick<TemporaryStore, "store" | "lease">,
  manifests: readonly Descriptor[],
): Promise<Descriptor> {
  const document = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests };
  const index = await putBytes(into, MediaType.ociIndex, Buffer.from(JSON.stringify(document)));
  into.store.link(
    index.digest,
    manifests.map(({ digest }) => digest),
  );
  return index;
}

/** Bytes that no compression shortens, the same for the same seed. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= (state << 13) >>> 0;
    state ^= state >>> 17;
    state ^= (state << 5) >>> 0;
    state >>>= 0;
    bytes[at] = state & 0xff;
  }
  return bytes;
}
