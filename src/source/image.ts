import { type Hold, type RecordId, type RecordType, type Records, pulledDescription } from "../record/index.ts";
import {
  type Descriptor,
  type Digest,
  type Platform,
  type Reference,
  VarveError,
  formatWholePlatform,
  formatReference,
  isVarveError,
  parseReference,
  withDefaultTag,
} from "../core/index.ts";
import { type ContentStore, isLostBlob } from "../content/index.ts";
import { type ImageStore, checkImage, openImage } from "../image/index.ts";
import { SingleFlight } from "../io/index.ts";
import type { Registry } from "../registry/index.ts";
import { type AttestationChain, attestationChain } from "./attestation-chain.ts";
import { type BlobRequest, blobRecord, fetchBlob } from "./blob.ts";
import type { OpenClientStore } from "./client-store.ts";
import { type FoundImage, type ResolvedImage, describeImage } from "./resolved-image.ts";

/** When an image is looked up in its registry. */
export type PullPolicy =
  /** Use the local store's image of that name if it has the right platform; otherwise ask the registry. */
  | "missing"
  /** Ask the registry. If it cannot be asked or does not have the image, use the local store's. */
  | "newest"
  /** Always ask the registry. */
  | "always"
  /** Use only the local store. */
  | "never";

export interface ImageSourceDeps {
  readonly content: ContentStore;
  readonly images: ImageStore;
  /** Called only for an image that is not in the store. */
  readonly registry: () => Promise<Registry>;
  readonly records: Records;
}

export interface RecordOptions {
  readonly limit?: number | undefined;
  readonly type?: RecordType | undefined;
}

export interface ResolveOptions {
  readonly platform: Platform;
  readonly policy: PullPolicy;
}

/**
 * Finds images by name, in the local store or in their registry, and makes records of their layers without fetching them.
 * Create one source per build: within it, a name always means the same image.
 *
 * @example
 * const images = new ImageSource({ content, images: imageStore, registry, records });
 * const image = await images.resolve("alpine:3", { platform, policy: "missing" }, hold);
 * const record = images.record(image, hold);
 */
export class ImageSource {
  readonly #deps: ImageSourceDeps;
  readonly #provided = new Map<Digest, Descriptor>();
  readonly #resolved = new Map<string, ResolvedImage>();
  /** A lookup ends when all who wait for it are cancelled. Then the next one starts again. */
  readonly #lookups = new SingleFlight<string, ResolvedImage>();

  constructor(deps: ImageSourceDeps) {
    this.#deps = deps;
  }

  /** Makes `resolve` find an image of the content store by its digest, whatever its name. */
  provide(descriptor: Descriptor): void {
    this.#provided.set(descriptor.digest, descriptor);
  }

  /**
   * Returns the image that a name means.
   * @throws {VarveError} `not-found` if there is none for the platform; the errors of a pull.
   */
  async resolve(name: string, options: ResolveOptions, hold: Hold): Promise<ResolvedImage> {
    const reference = withDefaultTag(parseReference(name));
    const key = `${formatReference(reference)} ${formatWholePlatform(options.platform)} ${options.policy}`;
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const find = (signal: AbortSignal): Promise<ResolvedImage> => this.#find(reference, options, { ...hold, signal });
    const found = await this.#lookups.run(key, find, hold.signal);
    this.#resolved.set(key, found);
    return found;
  }

  /**
   * Returns the record of an image's layers, or of only its lowest `limit` layers. Fetches nothing. `type` is that of layers which
   * have no record yet.
   */
  record(image: ResolvedImage, hold: Hold, { limit, type }: RecordOptions = {}): RecordId {
    const description = pulledDescription(formatReference(image.reference));
    const layers = image.layers.slice(0, limit).map((layer) => ({ ...layer, description, type }));
    return this.#deps.records.addChain(layers, hold.lease);
  }

  /** Returns the attestation chain of an image; see `attestationChain`. */
  async attestations(
    image: ResolvedImage,
    platform: Platform,
    predicates: readonly string[],
    hold: Hold,
  ): Promise<AttestationChain | undefined> {
    const { content, registry } = this.#deps;
    const source = { reference: image.reference, content, registry };
    return await attestationChain(image.target, platform, predicates, source, hold);
  }

  /** Returns a record with a blob of a registry, or of a store of the client, as a file. See `blobRecord`. */
  async blob(request: BlobRequest, hold: Hold, openClientStore?: OpenClientStore): Promise<RecordId> {
    return await blobRecord(request, { ...this.#deps, openClientStore }, hold);
  }

  /** Fetches a blob of a registry, or of a store of the client, into the content store, unless it is there. */
  async fetch(request: BlobRequest, hold: Hold, openClientStore?: OpenClientStore): Promise<void> {
    await fetchBlob(request, { ...this.#deps, openClientStore }, hold);
  }

  async #find(reference: Reference, { platform, policy }: ResolveOptions, hold: Hold): Promise<ResolvedImage> {
    const provided = reference.digest === undefined ? undefined : this.#provided.get(reference.digest);
    const known = provided === undefined ? undefined : await this.#stored(reference, provided, platform);
    if (known !== undefined) return known;
    if (policy === "newest" && reference.digest === undefined) return await this.#newest(reference, platform, hold);
    if (policy !== "always") {
      const local = await this.#local(reference, platform, hold);
      if (local !== undefined) return local;
      if (policy === "never")
        throw new VarveError("not-found", `Cannot use image ${formatReference(reference)}: it is not in the store`);
    }
    return await this.#remote(reference, platform, hold);
  }

  async #newest(reference: Reference, platform: Platform, hold: Hold): Promise<ResolvedImage> {
    try {
      return await this.#remote(reference, platform, hold);
    } catch (error) {
      if (isVarveError(error, "cancelled")) throw error;
      const local = await this.#local(reference, platform, hold);
      if (local === undefined) throw error;
      return local;
    }
  }

  async #local(reference: Reference, platform: Platform, hold: Hold): Promise<ResolvedImage | undefined> {
    const { digest, ...named } = reference;
    const image = this.#deps.images.get(formatReference(named.tag === undefined ? reference : named));
    if (image === undefined || (digest !== undefined && image.descriptor.digest !== digest)) return undefined;
    hold.lease.add("blob", image.descriptor.digest);
    return await this.#stored(reference, image.descriptor, platform);
  }

  /** Returns an image whose manifest and config are in the content store; undefined if one is missing. */
  async #stored(reference: Reference, descriptor: Descriptor, platform: Platform): Promise<ResolvedImage | undefined> {
    try {
      const image = await openImage(this.#deps.content, descriptor, platform);
      return this.#describe({ reference, target: descriptor, image, sources: [] });
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
    return this.#describe({ reference, target, image, sources: [`${reference.registry}/${reference.repository}`] });
  }

  #describe(found: FoundImage): ResolvedImage {
    this.provide(found.target);
    return describeImage(found, this.#deps.content);
  }
}
