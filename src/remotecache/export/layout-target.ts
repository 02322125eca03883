import { join } from "node:path";
import { Annotation, type Descriptor, type Digest, Limits, toVarveError } from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import { MAX_CONFIG } from "../document/config.ts";
import type { ContainerForm } from "../document/container.ts";
import { type Composed, compose } from "./compose.ts";
import { collectLayout } from "./layout-collect.ts";
import { isTagged, readBlobFile, readLayoutIndex, touchBlob, writeBlobFile, writeLayoutIndex } from "./layout-files.ts";
import { lockLayout } from "./layout-lock.ts";
import { type CacheContents, contentsOf, layersOfGraph } from "./scopes.ts";
import { type Standing, readStanding } from "./standing.ts";
import { type CacheTarget, type LayerSource, type Warn, tellLost, warnOnce } from "./target.ts";
import { bringLayers } from "./transfer.ts";
import { makeDirectories } from "../../linux/index.ts";

export interface LayoutTargetOptions {
  /** An OCI image layout; made if it is not there. */
  readonly directory: string;
  readonly tag: string;
  readonly form: ContainerForm;
  readonly source: LayerSource;
  /** Nothing of what others have written under the tag stays, and blobs that nothing needs go. */
  readonly reset: boolean;
  readonly warn: Warn;
}

/**
 * A directory. Blobs are written first, without a lock; then, under the lock, the document, and the index last. So a reader
 * sees the old cache or the new one, and of two writers neither loses what the other has written.
 */
export function layoutTarget(options: LayoutTargetOptions): CacheTarget {
  return {
    async write({ graph, tops }, scope, hold) {
      const writer = new LayoutWriter(contentsOf(graph, tops, scope), hold, {
        ...options,
        warn: warnOnce(options.warn),
      });
      try {
        return await writer.write();
      } catch (error) {
        throw toVarveError(error, `write the cache to ${options.directory}`, "storage");
      }
    },
  };
}

/** What stands under a tag of a layout. */
export async function standingInLayout(directory: string, tag: string, warn: Warn): Promise<Standing> {
  const descriptor = (await readLayoutIndex(directory)).find((entry) => isTagged(entry, tag));
  if (descriptor === undefined) return {};
  const name = `${directory}:${tag}`;
  const read = (config: Descriptor): Promise<Buffer> => readBlobFile(directory, config, MAX_CONFIG);
  const bytes = await readBlobFile(directory, descriptor, Limits.manifest).catch(() => undefined);
  if (bytes !== undefined) return await readStanding({ descriptor, bytes }, read, { name, warn });
  warn(`The cache in ${name} is replaced: its manifest ${descriptor.digest} cannot be read`);
  return { descriptor };
}

/** Writes a document and has the tag stand for it. The caller holds the lock. */
export async function publishInLayout(
  directory: string,
  tag: string,
  { config, manifest }: Pick<Composed, "config" | "manifest">,
): Promise<Descriptor> {
  for (const { descriptor, bytes } of [config, manifest])
    if (!(await touchBlob(directory, descriptor))) await writeBlobFile(directory, descriptor, bytesOf(bytes));
  const others = (await readLayoutIndex(directory)).filter((entry) => !isTagged(entry, tag));
  const entry = { ...manifest.descriptor, annotations: { [Annotation.refName]: tag } };
  await writeLayoutIndex(directory, [...others, entry]);
  return manifest.descriptor;
}

class LayoutWriter {
  readonly #mine: CacheContents;
  readonly #layers: ReadonlyMap<Digest, RemoteLayer>;
  readonly #hold: Hold;
  readonly #options: LayoutTargetOptions;
  /** Blobs that can be had nowhere. */
  readonly #gone = new Set<Digest>();

  constructor(mine: CacheContents, hold: Hold, options: LayoutTargetOptions) {
    this.#mine = mine;
    this.#layers = layersOfGraph(mine.graph);
    this.#hold = hold;
    this.#options = options;
  }

  async write(): Promise<Descriptor | undefined> {
    const { directory, tag, reset } = this.#options;
    makeDirectories(join(directory, "blobs"));
    if ((await this.#prepare()) === undefined) return undefined;
    using _lock = await lockLayout(directory, "exclusive", this.#hold.signal);
    const before = await readLayoutIndex(directory);
    const next = await this.#prepare();
    if (next === undefined) return undefined;
    const { document, standing } = next;
    const { descriptor } = document.manifest;
    if (descriptor.digest !== standing.descriptor?.digest) await publishInLayout(directory, tag, document);
    if (reset) await collectLayout(directory, { before });
    return descriptor;
  }

  /** The document to be written, with all its layers in the layout; undefined if there is nothing to write. */
  async #prepare(): Promise<{ readonly document: Composed; readonly standing: Standing } | undefined> {
    const { directory, tag, form, reset, warn } = this.#options;
    const standing = await standingInLayout(directory, tag, warn);
    const there = reset ? undefined : standing.contents;
    for (;;) {
      const document = compose({ there, mine: this.#mine, form, gone: this.#gone, rank: "first" }, warn);
      if (document === undefined || (await this.#bring(document))) return document && { document, standing };
    }
  }

  /** False: blobs cannot be had, neither from the layout nor from anywhere else. */
  async #bring({ contents }: Composed): Promise<boolean> {
    const { directory, source, warn } = this.#options;
    const missing: RemoteLayer[] = [];
    let isWhole = true;
    for (const layer of layersOfGraph(contents.graph).values()) {
      if (await touchBlob(directory, layer)) continue;
      const mine = this.#layers.get(layer.digest);
      if (mine !== undefined) missing.push(mine);
      else this.#gone.add(layer.digest);
      isWhole &&= mine !== undefined;
    }
    const lost = await bringLayers(missing, {
      source,
      hold: this.#hold,
      bring: (layer, open) => writeBlobFile(directory, layer, open(0)),
    });
    tellLost(lost, warn);
    for (const digest of lost.keys()) this.#gone.add(digest);
    return isWhole && lost.size === 0;
  }
}
