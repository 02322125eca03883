import { type Digest, type Reference, formatReference, isVarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { OnTransfer, Registry } from "../../registry/index.ts";
import type { ContainerForm } from "../document/container.ts";
import type { ReleasedBlob } from "../document/released.ts";
import { ifAllowed, reachableIn } from "./prune-registry.ts";
import type { CollectionTimes } from "./release.ts";
import type { Composed } from "./compose.ts";
import type { DocumentPlace, PlaceRequest, Published, VersionedDocument } from "./document-place.ts";
import { type PlaceTargetOptions, placeTarget } from "./document-writer.ts";
import { existingInRegistry, pushBlobs, tagDigest } from "./registry-document.ts";
import type { CacheTarget } from "./target.ts";

/** Options of `registryTarget`. */
export interface RegistryTargetOptions extends PlaceTargetOptions {
  readonly registry: Registry;
  /** It must have a tag. */
  readonly reference: Reference;
  readonly form: ContainerForm;
  readonly onEvent?: OnTransfer | undefined;
}

/** Maximum number of manifests that a registry may reject with `DIGEST_INVALID` before exports to the target fail. */
const MAX_GARBLED = 5;

/**
 * Returns a tag of a registry as a target. It uploads only what the registry lacks, and nothing if the document would not change.
 * `write` throws `busy` if other processes write to the tag all the time.
 */
export function registryTarget(options: RegistryTargetOptions): CacheTarget {
  return placeTarget(new TagPlace(options), options);
}

/** A tag of a registry. Registries have no compare-and-swap: the version of a document is its digest. */
class TagPlace implements DocumentPlace {
  readonly name: string;
  readonly form: ContainerForm;
  readonly layersLive = "document";
  readonly settles = 50;
  readonly #options: RegistryTargetOptions;
  #garbled = 0;

  constructor(options: RegistryTargetOptions) {
    this.name = formatReference(options.reference);
    this.form = options.form;
    this.#options = options;
  }

  async version(request: PlaceRequest): Promise<Digest | undefined> {
    return await tagDigest(this.#options, request);
  }

  async existing(request: PlaceRequest, isKnown: (digest: Digest) => boolean): Promise<VersionedDocument> {
    const existing = await existingInRegistry(this.#options, this.#options.warn, request, isKnown);
    return { ...existing, version: existing.descriptor?.digest };
  }

  async pushLayer(layer: RemoteLayer, open: (offset: number) => Bytes, request: PlaceRequest): Promise<void> {
    const { registry, reference, onEvent } = this.#options;
    const mountFrom = repositoriesOf(layer, reference.registry);
    const { digest, size, mediaType } = layer;
    await registry.pushBlob(reference, { digest, size, mediaType }, open, { ...request, mountFrom, onEvent });
  }

  async hasLayer({ digest }: { readonly digest: Digest }, request: PlaceRequest): Promise<boolean> {
    return await this.#options.registry.hasBlob(this.#options.reference, digest, request);
  }

  async publish(document: Composed, before: string | undefined, request: PlaceRequest): Promise<Published> {
    const { registry, reference } = this.#options;
    const { manifest } = document;
    await pushBlobs(this.#options, document, request);
    if ((await this.version(request)) !== before) return { kind: "conflict" };
    try {
      await registry.pushManifest(reference, manifest.descriptor, manifest.bytes, { ...request, isSentAgain: false });
    } catch (error) {
      return this.#isGarbled(error) ? { kind: "conflict" } : { kind: "rejected", error };
    }
    return { kind: "written", version: manifest.descriptor.digest, isFinal: false };
  }

  /** A blob or manifest that the registry does not let this client delete ends it. */
  async collect(released: readonly ReleasedBlob[], _times: CollectionTimes, request: PlaceRequest): Promise<void> {
    const { registry, reference } = this.#options;
    const needed = await reachableIn(this.#options, undefined, request.signal);
    if (needed === undefined) return;
    // A registry may keep blobs that a manifest names.
    for (const { digest, kind } of [...released].sort((a, b) => (a.kind < b.kind ? 1 : -1))) {
      if (needed.has(digest)) continue;
      const place = { ...reference, tag: undefined, digest };
      const work =
        kind === "manifest" ? registry.deleteManifest(place, request) : registry.deleteBlob(place, digest, request);
      await ifAllowed(work);
    }
  }

  /** True if the registry has read the link to a blob while another client wrote it. The tag may have changed since. */
  #isGarbled(error: unknown): boolean {
    if (!isVarveError(error, "remote") || error.details.registryCode !== "DIGEST_INVALID") return false;
    this.#garbled += 1;
    return this.#garbled <= MAX_GARBLED;
  }
}

/** Returns the repositories of the registry that are known to have a layer. */
function repositoriesOf({ sources }: RemoteLayer, host: string): string[] {
  return sources.filter((source) => source.startsWith(`${host}/`)).map((source) => source.slice(host.length + 1));
}
