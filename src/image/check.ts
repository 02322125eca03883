import { type Descriptor, VarveError, isConfigType } from "../core/index.ts";
import { readImageConfig } from "./read-config.ts";
import type { ImageConfig, ImageLayer } from "./types.ts";

/** The descriptors of a manifest and its parts. */
export interface ImageParts {
  /** The descriptor of the manifest itself. */
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

/**
 * Returns the layers of a manifest with the diffIDs of its config.
 *
 * @throws {VarveError} `corrupt` if their numbers differ.
 */
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

/** The annotation of index entries that describe another entry and are not images, such as BuildKit's attestations. */
const REFERENCE_TYPE = "vnd.docker.reference.type";

/** True for an index entry that is a runnable image: not an attestation, and not of the platform `unknown`. */
export function isImageEntry(descriptor: Descriptor): boolean {
  const { platform, annotations } = descriptor;
  if (annotations !== undefined && Object.hasOwn(annotations, REFERENCE_TYPE)) return false;
  return platform?.os !== "unknown" && platform?.architecture !== "unknown";
}

/**
 * Checks an image before it is accepted: its config must be readable and have one diffID for each layer. Attestations, and
 * manifests whose config has another type, are not checked. The history is not compared with the layers, because containerd
 * and BuildKit accept a history of more layers.
 *
 * @throws {VarveError} `corrupt`, `limit-exceeded`
 */
export function checkImage(parts: ImageParts, configBytes: Uint8Array): void {
  const { manifest, config } = parts;
  if (!isConfigType(config.mediaType) || !isImageEntry(manifest)) return;
  pairLayers(parts, readImageConfig(configBytes, `image config ${config.digest}`));
}
