import { type Descriptor, type Digest, Limits, MediaType, type Platform, formatGoTime } from "../core/index.ts";
import {
  type ContainerConfig,
  type ImageConfig,
  encodeImageConfig,
  encodeManifest,
  keepUntagged,
  linkImage,
  nameImage,
} from "../image/index.ts";
import { type Bytes, decompress } from "../io/index.ts";
import { checkedTar, createLayer } from "../layer/index.ts";
import type { LocalImages } from "./types.ts";

export interface ImportOptions {
  readonly platform: Platform;
  readonly config?: ContainerConfig | undefined;
  /** The comment of the image's only history entry. */
  readonly comment: string;
  /** Normalised name. An image without one is kept by its ID. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportedImage {
  /** Digest of the config. */
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
}

/**
 * Creates an image whose only layer is an archive of a root filesystem, compressed or not.
 *
 * @throws {VarveError} `corrupt` if `tar` is not a tar archive, `limit-exceeded` if it is too large.
 */
export async function importRootfs(store: LocalImages, archive: Bytes, options: ImportOptions): Promise<ImportedImage> {
  const { content } = store;
  const { name, signal } = options;
  await using lease = await content.lease();
  const named = { what: "the archive" };
  const tar = decompress(archive, { ...named, format: "detect", lenient: true, limit: Limits.layerUnpacked });
  const stream = createLayer(checkedTar(tar, named), { compression: "gzip" });
  const { digest, size } = await content.put(stream.bytes, { lease, signal });
  const { diffId, mediaType } = await stream.result;
  const put = async (bytes: Buffer, mediaType: string): Promise<Descriptor> => {
    const info = await content.put(bytes, { lease, signal });
    return { mediaType, digest: info.digest, size: info.size };
  };
  const config = configOf(diffId, options);
  const configBlob = await put(encodeImageConfig(config), MediaType.ociConfig);
  const bytes = encodeManifest({
    kind: "manifest",
    mediaType: MediaType.ociManifest,
    config: configBlob,
    layers: [{ mediaType, digest, size }],
  });
  const manifest = await put(bytes, MediaType.ociManifest);
  await linkImage(content, manifest, signal);
  const id = configBlob.digest;
  if (name === undefined) keepUntagged(store, { id, manifest });
  else await nameImage(store, name, manifest);
  return { id, manifest, config };
}

function configOf(diffId: Digest, { platform, config = {}, comment }: ImportOptions): ImageConfig {
  const created = formatGoTime(BigInt(Date.now()) * 1_000_000n);
  const { os, architecture, variant } = platform;
  return {
    created,
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config,
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created, comment }],
  };
}
