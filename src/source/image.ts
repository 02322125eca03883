import {
  type Hold,
  type RecordId,
  type Records,
  type RemoteLayer,
  pulledDescription,
  savedAnnotations,
} from "../record/index.ts";
import {
  type Descriptor,
  type Digest,
  type Platform,
  type Reference,
  VarveError,
  distributionSources,
  formatPlatform,
  formatReference,
  parseReference,
  withDefaultTag,
} from "../core/index.ts";
import { type ContentStore, isLostBlob } from "../content/index.ts";
import { type Image, type ImageConfig, type ImageStore, checkImage, openImage } from "../image/index.ts";
import type { Registry } from "../registry/index.ts";

export type PullPolicy =
  /** Use the image of that name in the local store if it suits the platform; ask its registry otherwise. */
  | "missing"
  /** Ask the registry what the name stands for, always. */
  | "always"
  | "never";

/** An image name, resolved: the manifest and the config are in the content store, the layers need not be. */
export interface ResolvedImage {
  readonly reference: Reference;
  /** What the name stands for: of the index if there is one. */
  readonly digest: Digest;
  readonly manifest: Descriptor;
  readonly configBytes: Uint8Array;
  readonly config: ImageConfig;
  readonly layers: readonly RemoteLayer[];
}

export interface ImageSourceDeps {
  readonly content: ContentStore;
  readonly images: ImageStore;
  /** Opened when an image is not in the store. */
  readonly registry: () => Promise<Registry>;
  readonly records: Records;
}

export interface ResolveOptions {
  readonly platform: Platform;
  readonly policy: PullPolicy;
}

/** Finds images by name, in the store or in their registry, and makes records of their layers without fetching them. */
export class ImageSource {
  readonly #deps: ImageSourceDeps;
  readonly #provided = new Map<Digest, Descriptor>();
  readonly #resolved = new Map<string, Promise<ResolvedImage>>();

  /** One source serves one build: a name means the same image from its beginning to its end. */
  constructor(deps: ImageSourceDeps) {
    this.#deps = deps;
  }

  /** Makes an image of the store known by its digest, whatever name it is asked for by. */
  provide(descriptor: Descriptor): void {
    this.#provided.set(descriptor.digest, descriptor);
  }

  async resolve(name: string, options: ResolveOptions, hold: Hold): Promise<ResolvedImage> {
    const reference = withDefaultTag(parseReference(name));
    const key = `${formatReference(reference)} ${formatPlatform(options.platform)} ${options.policy}`;
    const known = this.#resolved.get(key) ?? this.#find(reference, options, hold);
    this.#resolved.set(key, known);
    return await known;
  }

  /** The record of an image's layers, lowest first; of the first `limit` only if that is given. */
  record(image: ResolvedImage, hold: Hold, limit?: number): RecordId {
    const description = pulledDescription(formatReference(image.reference));
    const layers = image.layers.slice(0, limit).map((layer) => ({ ...layer, description }));
    return this.#deps.records.addChain(layers, hold.lease);
  }

  async #find(reference: Reference, { platform, policy }: ResolveOptions, hold: Hold): Promise<ResolvedImage> {
    const provided = reference.digest === undefined ? undefined : this.#provided.get(reference.digest);
    const known = provided === undefined ? undefined : await this.#stored(reference, provided, platform);
    if (known !== undefined) return known;
    if (policy !== "always") {
      const local = await this.#local(reference, platform, hold);
      if (local !== undefined) return local;
      if (policy === "never")
        throw new VarveError("not-found", `Cannot use image ${formatReference(reference)}: it is not in the store`);
    }
    return await this.#remote(reference, platform, hold);
  }

  async #local(reference: Reference, platform: Platform, hold: Hold): Promise<ResolvedImage | undefined> {
    const { digest, ...named } = reference;
    const image = this.#deps.images.get(formatReference(named.tag === undefined ? reference : named));
    if (image === undefined || (digest !== undefined && image.descriptor.digest !== digest)) return undefined;
    hold.lease.add("blob", image.descriptor.digest);
    return await this.#stored(reference, image.descriptor, platform);
  }

  /** An image whose parts are in the content store; undefined if they are not, or are of another platform. */
  async #stored(reference: Reference, descriptor: Descriptor, platform: Platform): Promise<ResolvedImage | undefined> {
    try {
      return this.#describe(reference, descriptor, await openImage(this.#deps.content, descriptor, platform), []);
    } catch (error) {
      if (isLostBlob(error)) return undefined;
      throw error;
    }
  }

  async #remote(reference: Reference, platform: Platform, hold: Hold): Promise<ResolvedImage> {
    const { registry, content } = this.#deps;
    const options = { ...hold, platform, store: content, check: checkImage, layers: "skip" as const };
    const { pull } = await import("../registry/index.ts");
    const { target } = await pull(await registry(), reference, options);
    const image = await openImage(content, target, platform);
    return this.#describe(reference, target, image, [`${reference.registry}/${reference.repository}`]);
  }

  #describe(reference: Reference, target: Descriptor, image: Image, sources: readonly string[]): ResolvedImage {
    const repositories = [...sources, ...this.#sources(image.descriptor.digest)];
    const layers = image.layers.map(({ descriptor, diffId }): RemoteLayer => ({
      digest: descriptor.digest,
      size: descriptor.size,
      mediaType: descriptor.mediaType,
      diffId,
      sources: [...new Set([...repositories, ...this.#sources(descriptor.digest)])],
      annotations: savedAnnotations(descriptor.annotations ?? {}),
    }));
    this.provide(target);
    return {
      reference,
      digest: target.digest,
      manifest: image.descriptor,
      configBytes: image.configBytes,
      config: image.config,
      layers,
    };
  }

  /** Where a blob was once fetched from, by its labels; a manifest's layers are where the manifest is. */
  #sources(digest: Digest): string[] {
    return distributionSources(this.#deps.content.labels(digest));
  }
}
