import { type Descriptor, type Digest, Limits, VarveError, messageOf, throwIfAborted } from "../../core/index.ts";
import { isImageEntry, readImageConfig } from "../../image/index.ts";
import { MAX_CONFIG } from "../document/config.ts";
import { type InlineDocument, readContainer } from "../document/container.ts";
import type { CacheGraph } from "../document/graph.ts";
import { inlineGraph } from "../document/inline.ts";
import { type ReadBlob, describedConfig, describedGraph } from "../export/described.ts";
import { type Trust, requireTrust } from "../signing/trust.ts";
import type { CacheOrigin } from "./origin.ts";

/** Maximum depth of nested indexes. */
const MAX_DEPTH = 8;
/** Maximum number of images of one index. */
const MAX_IMAGES = 256;

/** Options of `readCache`. */
export interface ReadCacheOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when a part of the cache is ignored. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Use only documents that were signed by these keys, and no caches of images. */
  readonly trust?: Trust | undefined;
}

/**
 * Reads the cache of an origin. Returns one graph for a cache document, or one graph for each image with a cache in its config. An
 * image of an index that cannot be read is ignored with a warning.
 *
 * @throws {VarveError} `not-found` if there is nothing; `corrupt`, `limit-exceeded` for a document that is not valid or not trusted; and what
 * the origin throws.
 * @example
 * const origin = layoutOrigin("/srv/cache", { tag: "main" });
 * const cache = importedCache(origin.name, readCache(origin), results);
 */
export async function readCache(origin: CacheOrigin, options: ReadCacheOptions = {}): Promise<CacheGraph[]> {
  const { bytes, descriptor } = await origin.top(options.signal);
  const container = readContainer(bytes, descriptor.mediaType);
  if (container.kind === "inline" && options.trust !== undefined)
    throw new VarveError("corrupt", `Cannot use cache ${origin.name}: it is in an image, where it is not signed`);
  if (container.kind === "inline") return await new InlineReader(origin, options).run(container.document);
  const read: ReadBlob = (blob, signal = options.signal) => origin.blob(blob, MAX_CONFIG, signal);
  const described = await describedConfig(bytes, descriptor.mediaType, read);
  if (described !== undefined) requireTrust(described.evidence, options.trust, origin.name);
  return described === undefined ? [] : [describedGraph(described, read, origin.source).graph];
}

class InlineReader {
  readonly #origin: CacheOrigin;
  readonly #signal: AbortSignal | undefined;
  readonly #onWarning: (message: string) => void;
  readonly #visited = new Set<Digest>();
  readonly #graphs: CacheGraph[] = [];

  constructor(origin: CacheOrigin, { signal, onWarning = () => undefined }: ReadCacheOptions) {
    this.#origin = origin;
    this.#signal = signal;
    this.#onWarning = onWarning;
  }

  async run(document: InlineDocument): Promise<CacheGraph[]> {
    await this.#document(document, 0);
    return this.#graphs;
  }

  async #document(document: InlineDocument, depth: number): Promise<void> {
    if (document.kind === "manifest") return await this.#image(document);
    if (depth === MAX_DEPTH)
      throw new VarveError("limit-exceeded", `Cannot read image index: it has more than ${MAX_DEPTH} levels`);
    for (const entry of document.manifests.filter(isImageEntry)) await this.#entry(entry, depth);
  }

  async #entry(entry: Descriptor, depth: number): Promise<void> {
    if (this.#visited.has(entry.digest)) return;
    this.#visited.add(entry.digest);
    if (this.#visited.size > MAX_IMAGES)
      throw new VarveError("limit-exceeded", `Cannot read image index: it has more than ${MAX_IMAGES} images`);
    try {
      const bytes = await this.#origin.blob(entry, Limits.manifest, this.#signal);
      const container = readContainer(bytes);
      if (container.kind === "inline") await this.#document(container.document, depth + 1);
    } catch (error) {
      throwIfAborted(this.#signal, `import ${this.#origin.name}`);
      this.#warn(`${entry.digest} is ignored: ${messageOf(error)}`);
    }
  }

  async #image(document: InlineDocument & { readonly kind: "manifest" }): Promise<void> {
    const { config, layers } = document;
    if (config === undefined || layers.length === 0) return;
    const bytes = await this.#origin.blob(config, Limits.config, this.#signal);
    const onWarning = (message: string): void => this.#warn(message);
    const graph = inlineGraph({ layers }, readImageConfig(bytes), { source: this.#origin.source, onWarning });
    if (graph !== undefined) this.#graphs.push(graph);
  }

  #warn(message: string): void {
    this.#onWarning(`Cache of ${this.#origin.name}: ${message}`);
  }
}
