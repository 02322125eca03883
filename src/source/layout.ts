import type { ContentStore } from "../content/index.ts";
import {
  type Descriptor,
  type Digest,
  Limits,
  type Platform,
  VarveError,
  isVarveError,
  parseReference,
} from "../core/index.ts";
import { type Image, checkImage, isImageEntry, loadDocument, openImage, readManifestOrIndex } from "../image/index.ts";
import { collect } from "../io/index.ts";
import type { Hold } from "../record/index.ts";
import {
  type ClientStore,
  type ClientStoreName,
  type OpenClientStore,
  clientSource,
  fetchFromClient,
} from "./client-store.ts";
import { type ResolvedImage, describeImage } from "./resolved-image.ts";

/** Maximum number of documents that are read to find the image for a platform. */
const MAX_DOCUMENTS = 256;

/** An image in a store of the client. */
export interface LayoutRequest extends ClientStoreName {
  /** A name with a digest. Only the digest counts. */
  readonly name: string;
  readonly platform: Platform;
}

/**
 * Finds an image in a store that the client of the build serves. Fetches its documents, but no layer.
 *
 * @throws {VarveError} `invalid-argument` for a name without a digest; `not-found` if the client does not have it, or not for the
 * platform; `corrupt`, `limit-exceeded`.
 */
export async function resolveLayout(
  { name, platform, ...store }: LayoutRequest,
  { content, open }: { readonly content: ContentStore; readonly open: OpenClientStore },
  hold: Hold,
): Promise<ResolvedImage> {
  const reference = parseReference(name);
  const { digest } = reference;
  if (digest === undefined)
    throw new VarveError("invalid-argument", `reference ${JSON.stringify(name)} must have digest`);
  const documents = new Documents(open(store), content, hold);
  const target = await documents.root(digest);
  const image = await documents.open(target, platform);
  checkImage(
    { manifest: image.descriptor, config: image.manifest.config, layers: image.manifest.layers },
    image.configBytes,
  );
  return describeImage({ reference, target, image, sources: [clientSource(store)] }, content);
}

/** Documents of a client's store. They are fetched when they are needed. */
class Documents {
  readonly #store: ClientStore;
  readonly #content: ContentStore;
  readonly #hold: Hold;
  #fetched = 0;

  constructor(store: ClientStore, content: ContentStore, hold: Hold) {
    this.#store = store;
    this.#content = content;
    this.#hold = hold;
  }

  /** Returns the descriptor of a document. Its type is that which its bytes say. */
  async root(digest: Digest): Promise<Descriptor> {
    const size = await this.#fetch(digest);
    const bytes = await collect(this.#content.open(digest, this.#reading()), Limits.manifest, {
      what: `blob ${digest}`,
    });
    const { mediaType } = readManifestOrIndex(bytes);
    return { digest, size, mediaType };
  }

  /** Opens the image for a platform. Every document that is missing is fetched, and then it is tried again. */
  async open(target: Descriptor, platform: Platform): Promise<Image> {
    await this.#fetchUndescribed(target);
    for (;;) {
      try {
        return await openImage(this.#content, target, platform, this.#reading());
      } catch (error) {
        const missing = isVarveError(error, "not-found") ? error.details.digest : undefined;
        if (missing === undefined || missing === target.digest) throw error;
        await this.#fetch(missing);
      }
    }
  }

  /** Fetches the images of an index whose platforms it does not say: their configs do. */
  async #fetchUndescribed(target: Descriptor): Promise<void> {
    const { document } = await loadDocument(this.#content, target, this.#hold.signal);
    if (document.kind !== "index") return;
    for (const entry of document.manifests.filter(isImageEntry)) {
      if (entry.platform !== undefined && entry.platform.os !== "") continue;
      await this.#fetch(entry.digest);
      const inner = await loadDocument(this.#content, entry, this.#hold.signal);
      if (inner.document.kind === "manifest") await this.#fetch(inner.document.config.digest);
    }
  }

  async #fetch(digest: Digest): Promise<number> {
    this.#fetched += 1;
    if (this.#fetched > MAX_DOCUMENTS)
      throw new VarveError("limit-exceeded", `Cannot use an OCI layout: it has more than ${MAX_DOCUMENTS} documents`);
    return await fetchFromClient(this.#store, { digest, limit: Limits.config }, this.#content, this.#hold);
  }

  #reading(): { readonly signal?: AbortSignal } {
    const { signal } = this.#hold;
    return signal === undefined ? {} : { signal };
  }
}
