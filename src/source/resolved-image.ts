import type { ContentStore } from "../content/index.ts";
import { type Descriptor, type Digest, type Reference, distributionSources } from "../core/index.ts";
import type { Image, ImageConfig } from "../image/index.ts";
import { type RemoteLayer, savedAnnotations } from "../record/index.ts";

/** A resolved image name. The manifest and the config are in the content store; layers may be missing. */
export interface ResolvedImage {
  readonly reference: Reference;
  /** Digest of what the name refers to: the index if there is one, else the manifest. */
  readonly digest: Digest;
  /** What the name refers to. */
  readonly target: Descriptor;
  readonly manifest: Descriptor;
  readonly configBytes: Uint8Array;
  readonly config: ImageConfig;
  readonly layers: readonly RemoteLayer[];
}

/** What an image was found by: its name, and what the name refers to. */
export interface FoundImage {
  readonly reference: Reference;
  readonly target: Descriptor;
  readonly image: Image;
  /** Where its layers are, besides the repositories that their labels name. */
  readonly sources: readonly string[];
}

/** Describes an image of the content store. A manifest's layers are in the same repositories as the manifest. */
export function describeImage({ reference, target, image, sources }: FoundImage, content: ContentStore): ResolvedImage {
  const labelled = (digest: Digest): string[] => distributionSources(content.labels(digest));
  const repositories = [...sources, ...labelled(image.descriptor.digest)];
  const layers = image.layers.map(({ descriptor, diffId }): RemoteLayer => ({
    digest: descriptor.digest,
    size: descriptor.size,
    mediaType: descriptor.mediaType,
    diffId,
    sources: [...new Set([...repositories, ...labelled(descriptor.digest)])],
    annotations: savedAnnotations(descriptor.annotations ?? {}),
    urls: descriptor.urls,
  }));
  return {
    reference,
    digest: target.digest,
    target,
    manifest: image.descriptor,
    configBytes: image.configBytes,
    config: image.config,
    layers,
  };
}
