import { type Descriptor, VarveError, isConfigType } from "../core/index.ts";
import { readImageConfig } from "./read-config.ts";
import type { ImageConfig, ImageLayer } from "./types.ts";

/** A manifest as far as it says what an image consists of. */
export interface ImageParts {
  /** Of the manifest itself. */
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

/** Throws `corrupt` unless the config has a diffID for each layer of the manifest and no other. */
export function pairLayers({ manifest, config, layers }: ImageParts, { rootfs }: ImageConfig): ImageLayer[] {
  const { diff_ids: diffIds } = rootfs;
  if (diffIds.length !== layers.length)
    throw new VarveError(
      "corrupt",
      `Cannot read image ${manifest.digest}: it has ${layers.length} layers, and its config ${config.digest} ${diffIds.length} diffIDs`,
    );
  return layers.flatMap((layer, index) => {
    const diffId = diffIds[index];
    return diffId === undefined ? [] : [{ descriptor: layer, diffId }];
  });
}

/** Marks an index entry that describes another one and is no image: BuildKit's attestations. */
const REFERENCE_TYPE = "vnd.docker.reference.type";

/** True for an index entry that can be run: no attestation, and not of the platform that stands for none. */
export function isImageEntry(descriptor: Descriptor): boolean {
  const { platform, annotations } = descriptor;
  if (annotations !== undefined && Object.hasOwn(annotations, REFERENCE_TYPE)) return false;
  return platform?.os !== "unknown" && platform?.architecture !== "unknown";
}

/**
 * Checks an image before it is let in, by its manifest and the bytes of its config: throws `corrupt` unless the config can be
 * read and has a diffID for each layer. An attestation, and what has a config of another type, is no image, and not looked at.
 * A history may say anything: containerd and BuildKit take one of more layers than there are.
 */
export function checkImage(parts: ImageParts, configBytes: Uint8Array): void {
  const { manifest, config } = parts;
  if (!isConfigType(config.mediaType) || !isImageEntry(manifest)) return;
  pairLayers(parts, readImageConfig(configBytes, `image config ${config.digest}`));
}
