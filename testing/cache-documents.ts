import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Descriptor, type Digest, MediaType, digestHex, digestOf } from "../src/core/index.ts";
import type { RemoteLayer } from "../src/record/index.ts";
import {
  type CacheGraph,
  type CacheResult,
  type ContainerForm,
  configOf,
  encodeCacheConfig,
  encodeContainer,
  remoteLayer,
} from "../src/remotecache/index.ts";

/** The descriptor of a layer by that name; the blob need not exist. */
export function layerNamed(name: string): Descriptor {
  const annotations = { "containerd.io/uncompressed": digestOf(`diff of ${name}`) };
  return { mediaType: MediaType.ociLayerGzip, digest: digestOf(name), size: 3, annotations };
}

/** A result of layers with these names. `at`: ms since 1970. */
export function resultNamed(at: number, ...names: readonly string[]): CacheResult {
  const layers = names.map((name) => remoteLayer(layerNamed(name)) as RemoteLayer);
  return { createdAt: BigInt(at) * 1_000_000n, layers };
}

export interface CacheBlobs {
  /** The document that stands for the cache. */
  readonly top: Descriptor;
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** A graph as the documents that Varve writes. */
export function cacheDocuments(graph: CacheGraph, form: ContainerForm = "manifest"): CacheBlobs {
  const { config, layers } = configOf(graph);
  const bytes = Buffer.from(encodeCacheConfig(config));
  const descriptor = blobOf(bytes, MediaType.buildkitCacheConfig);
  const container = encodeContainer(form, descriptor, layers);
  const top = blobOf(container.bytes, container.mediaType);
  return {
    top,
    blobs: new Map([
      [descriptor.digest, bytes],
      [top.digest, Buffer.from(container.bytes)],
    ]),
  };
}

export function blobOf(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

/** Writes an OCI layout. Each entry of its index has the annotations given. */
export async function writeDocuments(
  directory: string,
  blobs: ReadonlyMap<Digest, Uint8Array>,
  entries: readonly Descriptor[],
): Promise<void> {
  const folder = join(directory, "blobs/sha256");
  await mkdir(folder, { recursive: true });
  for (const [digest, bytes] of blobs) await writeFile(join(folder, digestHex(digest)), bytes);
  await writeFile(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: entries }));
}
