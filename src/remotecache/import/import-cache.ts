import { type Descriptor, type Digest, Limits, VarveError, messageOf, throwIfAborted } from "../../core/index.ts";
import { isImageEntry, readImageConfig } from "../../image/index.ts";
import { MAX_CONFIG, parseCacheConfig } from "../document/config.ts";
import { type InlineDocument, readContainer } from "../document/container.ts";
import type { CacheGraph } from "../document/graph.ts";
import { inlineGraph } from "../document/inline.ts";
import { graphOf } from "../document/read-graph.ts";
import type { CacheOrigin } from "./origin.ts";

/** Indexes within indexes. */
const MAX_DEPTH = 8;
/** Images of one index whose configs are looked into. */
const MAX_IMAGES = 256;

export interface ImportOptions {
  readonly signal?: AbortSignal | undefined;
  /** A part of what was found is left out. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * The cache that an origin holds: one graph of a cache document, or one for each image with a cache in its config, none if
 * there is none. An image of an index that cannot be read costs its own cache only, with a warning. Throws `not-found`,
 * `corrupt`, `limit-exceeded`, and what the origin throws.
 */
export async function importCache(origin: CacheOrigin, options: ImportOptions = {}): Promise<CacheGraph[]> {
  const { bytes } = await origin.top(options.signal);
  const container = readContainer(bytes);
  if (container.kind === "inline") return await new InlineImport(origin, options).run(container.document);
  const config = parseCacheConfig(await origin.blob(container.config, MAX_CONFIG, options.signal));
  return [graphOf(config, new Map(container.layers.map((layer) => [layer.digest, layer])), origin.source)];
}

class InlineImport {
  readonly #origin: CacheOrigin;
  readonly #signal: AbortSignal | undefined;
  readonly #onWarning: (message: string) => void;
  readonly #seen = new Set<Digest>();
  readonly #graphs: CacheGraph[] = [];

  constructor(origin: CacheOrigin, { signal, onWarning = () => undefined }: ImportOptions) {
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
      throw new VarveError("limit-exceeded", "Cannot read image: its indexes are nested too deep");
    for (const entry of document.manifests.filter(isImageEntry)) await this.#entry(entry, depth);
  }

  async #entry(entry: Descriptor, depth: number): Promise<void> {
    if (this.#seen.has(entry.digest)) return;
    this.#seen.add(entry.digest);
    if (this.#seen.size > MAX_IMAGES)
      throw new VarveError("limit-exceeded", `Cannot read image: it is more than ${MAX_IMAGES} images`);
    try {
      const bytes = await this.#origin.blob(entry, Limits.manifest, this.#signal);
      const container = readContainer(bytes);
      if (container.kind === "inline") await this.#document(container.document, depth + 1);
    } catch (error) {
      throwIfAborted(this.#signal, `import ${this.#origin.name}`);
      this.#warn(`${entry.digest} is left out: ${messageOf(error)}`);
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
