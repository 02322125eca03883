import {
  type Descriptor,
  Limits,
  type Platform,
  type Reference,
  VarveError,
  choosePlatform,
  formatPlatform,
  formatReference,
  isIndexType,
  isVarveError,
  platformFromJson,
  withDefaultTag,
} from "../../core/index.ts";
import { isLostBlob } from "../../content/index.ts";
import { collect, inParallel } from "../../io/index.ts";
import { type ImageDocument, isDocumentType, parseDocument } from "./document.ts";
import { type FetchOptions, fetchBlob, leased } from "./fetch-blob.ts";
import { labelSource, sourceLabel } from "./distribution-source.ts";
import type { ManifestContent } from "./manifest.ts";
import type { Registry } from "../registry.ts";

export interface PullOptions extends FetchOptions {
  /** One platform of an index, or all. Ignored for an image that is not an index. */
  readonly platform: Platform | "all";
  /** `skip`: layers are fetched later, by `fetchBlob`. */
  readonly layers?: "fetch" | "skip" | undefined;
  /** Called with each image and the bytes of its config before a layer is fetched; an error that it throws ends the pull. */
  readonly check?: ((image: PulledImage, config: Uint8Array) => void) | undefined;
  /** Called with all images when they have been checked, before a layer is fetched. */
  readonly onResolved?: ((images: readonly PulledImage[]) => void) | undefined;
}

/** One image of a pull. */
export interface PulledImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

export interface PullResult {
  /** The reference with the digest of `target`. */
  readonly reference: Reference;
  /** The manifest or index of the reference. */
  readonly target: Descriptor;
  /** One for a single platform. */
  readonly images: readonly PulledImage[];
}

interface Node {
  readonly content: ManifestContent;
  readonly document: ImageDocument;
  readonly children: readonly Node[];
}

const MAX_DEPTH = 8;
const MAX_MANIFESTS = 1000;

class Pull {
  readonly #registry: Registry;
  readonly #reference: Reference;
  readonly #options: PullOptions;
  #manifests = 0;

  constructor(registry: Registry, reference: Reference, options: PullOptions) {
    this.#registry = registry;
    this.#reference = reference;
    this.#options = options;
  }

  /** Resolves the reference and everything needed below it. */
  async top(): Promise<Node> {
    const { signal, onWait } = this.#options;
    const descriptor = await this.#registry.resolve(this.#reference, { signal, onWait });
    return await this.#node(descriptor, 0, signal);
  }

  async #node(descriptor: Descriptor, depth: number, signal: AbortSignal | undefined): Promise<Node> {
    const name = formatReference(this.#at(descriptor));
    this.#manifests += 1;
    if (depth > MAX_DEPTH) throw new VarveError("limit-exceeded", `Cannot pull ${name}: indexes are nested too deep`);
    if (this.#manifests > MAX_MANIFESTS) {
      throw new VarveError("limit-exceeded", `Cannot pull ${name}: it has more than ${MAX_MANIFESTS} manifests`);
    }
    const content = await this.#content(descriptor, signal);
    const document = parseDocument(content.bytes, descriptor.mediaType, name);
    const chosen = this.#chosen(document, name);
    const children = await inParallel(chosen, signal, (child, both) => this.#node(child, depth + 1, both));
    return { content, document, children };
  }

  /** Reads a manifest from the store if it is there, else from the registry. */
  async #content(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<ManifestContent> {
    const { store, lease } = this.#options;
    const { digest, size } = descriptor;
    if (size > Limits.manifest) {
      throw new VarveError(
        "limit-exceeded",
        `Cannot pull manifest ${digest}: it is larger than ${Limits.manifest} bytes`,
      );
    }
    const bytes = leased(store, lease, descriptor) && (await this.#stored(descriptor, signal));
    if (bytes !== undefined) return { descriptor, bytes };
    return await this.#fetched(descriptor, signal);
  }

  /** Returns undefined if the blob is damaged. */
  async #stored({ digest, size }: Descriptor, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    try {
      return await collect(this.#options.store.open(digest, { signal }), size, { what: digest });
    } catch (error) {
      if (isLostBlob(error)) return undefined;
      throw error;
    }
  }

  async #fetched(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<ManifestContent> {
    const { digest, size } = descriptor;
    const { bytes } = await this.#registry.manifest(this.#at(descriptor), { signal, onWait: this.#options.onWait });
    if (bytes.byteLength !== size) {
      throw new VarveError("corrupt", `Cannot pull manifest ${digest}: ${bytes.byteLength} bytes came, not ${size}`);
    }
    return { descriptor, bytes };
  }

  #chosen(document: ImageDocument, name: string): readonly Descriptor[] {
    if (document.kind === "manifest") return [];
    const manifests = document.manifests.filter(({ mediaType }) => isDocumentType(mediaType));
    const { platform } = this.#options;
    if (platform === "all") return manifests;
    const found = choosePlatform(platform, manifests, (each) =>
      each.platform === undefined ? undefined : platformFromJson(each.platform),
    );
    const untold = manifests.filter((each) => each.platform === undefined);
    const chosen =
      found ?? (untold.length === 1 || manifests.some((each) => isIndexType(each.mediaType)) ? untold[0] : undefined);
    if (chosen !== undefined) return [chosen];
    const offered = new Set(
      manifests.flatMap((each) => (each.platform ? [formatPlatform(platformFromJson(each.platform))] : [])),
    );
    offered.delete("unknown/unknown");
    throw new VarveError("not-found", `Cannot pull ${name}: it has nothing for ${formatPlatform(platform)}`, {
      details: { platform: formatPlatform(platform), offered: [...offered] },
      hint:
        offered.size === 0
          ? "It names no platform at all."
          : `It is there for ${[...offered].slice(0, 20).join(", ")}.`,
    });
  }

  #at({ digest }: Descriptor): Reference {
    const { registry, repository } = this.#reference;
    return { registry, repository, digest };
  }

  /** Configs first, then layers, then each manifest before what points to it: a manifest in the store is whole. */
  async store(nodes: readonly Node[]): Promise<void> {
    const images = nodes.flatMap(imageOf);
    await this.#fetch(images.map(({ config }) => config));
    for (const image of images) await this.#check(image);
    this.#options.onResolved?.(images);
    const layers = images.flatMap((image) => image.layers);
    if (this.#options.layers === "skip") this.#tellSkipped(layers);
    else await this.#fetch(layers);
    for (const node of nodes) await this.#put(node);
  }

  async #fetch(descriptors: readonly Descriptor[]): Promise<void> {
    const wanted = new Map(descriptors.map((each) => [each.digest, each] as const));
    await inParallel([...wanted.values()], this.#options.signal, (descriptor, signal) =>
      fetchBlob(this.#registry, this.#reference, descriptor, { ...this.#options, signal }),
    );
  }

  async #check(image: PulledImage): Promise<void> {
    const { check, store, signal } = this.#options;
    const { digest, size } = image.config;
    if (check === undefined || size > Limits.config) return;
    const bytes = await collect(store.open(digest, { signal }), size, { what: digest });
    try {
      check(image, bytes);
    } catch (error) {
      if (!isVarveError(error)) throw error;
      const name = formatReference(this.#reference);
      throw new VarveError(error.code, `Cannot pull ${name}: ${error.message}`, { cause: error });
    }
  }

  #tellSkipped(layers: readonly Descriptor[]): void {
    const name = formatReference(this.#reference);
    for (const { digest, size } of layers)
      this.#options.onEvent?.({ kind: "download", digest, name, current: 0, total: size, state: "skipped" });
  }

  async #put({ content, document, children }: Node): Promise<void> {
    const { store, lease, signal } = this.#options;
    const { digest, size } = content.descriptor;
    const links =
      document.kind === "index"
        ? children.map((child) => child.content.descriptor.digest)
        : [document.config.digest, ...document.layers.map((layer) => layer.digest)];
    const labels = sourceLabel(this.#reference, store.info(digest));
    const info = await store.put(content.bytes, {
      expected: { digest, size },
      labels,
      lease,
      signal,
    });
    labelSource(store, this.#reference, info);
    store.link(digest, links);
  }
}

function imageOf({ content, document }: Node): PulledImage[] {
  if (document.kind === "index") return [];
  return [{ manifest: content.descriptor, config: document.config, layers: document.layers }];
}

/** Deepest first, each manifest once. */
function inOrder(top: Node): readonly Node[] {
  const nodes = new Map<string, Node>();
  const visit = (node: Node): void => {
    for (const child of node.children) visit(child);
    nodes.set(node.content.descriptor.digest, node);
  };
  visit(top);
  return [...nodes.values()];
}

/**
 * Pulls an image into the store: resolves the reference and the needed manifests, fetches configs and then layers in parallel, and stores
 * the manifests last, with edges to what they need and labels that say where blobs came from. A failed pull leaves no manifest and no
 * incomplete blob; its blobs are kept by the lease only.
 */
export async function pull(registry: Registry, reference: Reference, options: PullOptions): Promise<PullResult> {
  const tagged = withDefaultTag(reference);
  const work = new Pull(registry, tagged, options);
  const top = await work.top();
  const nodes = inOrder(top);
  await work.store(nodes);
  const target = top.content.descriptor;
  return { reference: { ...tagged, digest: target.digest }, target, images: nodes.flatMap(imageOf) };
}
