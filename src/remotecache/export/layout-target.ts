import { join } from "node:path";
import { Annotation, type Descriptor, type Digest, Limits, messageOf, toVarveError } from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import { MAX_CONFIG } from "../document/config.ts";
import type { DocumentSigner } from "../signing/trust.ts";
import type { ContainerForm } from "../document/container.ts";
import type { EncodedDocument } from "./codec.ts";
import { type Composed, compose } from "./compose.ts";
import { collectLayout } from "./layout-collect.ts";
import { isTagged, readBlobFile, readLayoutIndex, touchBlob, writeBlobFile, writeLayoutIndex } from "./layout-files.ts";
import { lockLayout } from "./layout-lock.ts";
import { type CacheContents, contentsOf, layersOfGraph } from "./scopes.ts";
import { type ExistingDocument, readExisting, trustedExisting } from "./existing-document.ts";
import { type CacheTarget, type LayerSource, type Warn, warnMissing, warnOnce } from "./target.ts";
import { transferLayers } from "./transfer.ts";
import { makeDirectories } from "../../linux/index.ts";

/** Options of `layoutTarget`. */
export interface LayoutTargetOptions {
  /** An OCI image layout. It is created if it does not exist. */
  readonly directory: string;
  readonly tag: string;
  readonly form: ContainerForm;
  readonly source: LayerSource;
  /** True: the records of other writers of the tag are removed. */
  readonly reset: boolean;
  /** Milliseconds after which blobs are removed that no record needs any more. Undefined: they stay. */
  readonly grace: number | undefined;
  /** Whether notes of records are written. Default: true. */
  readonly noted?: boolean | undefined;
  readonly warn: Warn;
  /** Signs the document. A document that it has not signed is replaced. */
  readonly signer?: DocumentSigner | undefined;
}

/**
 * Returns an OCI layout directory as a target. It writes blobs first, without a lock. Then it takes the lock and writes the
 * document, and the index last. So a reader sees either the old cache or the new one, and concurrent writers do not overwrite
 * each other's records.
 */
export function layoutTarget(options: LayoutTargetOptions): CacheTarget {
  return {
    async write({ graph, tops, stage }, scope, hold) {
      const writer = new LayoutWriter(contentsOf(graph, tops, scope, stage), hold, {
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

/** Reads the existing document with a tag of a layout. */
export async function existingInLayout(directory: string, tag: string, warn: Warn): Promise<ExistingDocument> {
  const descriptor = (await readLayoutIndex(directory)).find((entry) => isTagged(entry, tag));
  if (descriptor === undefined) return {};
  const name = `${directory}:${tag}`;
  const read = (config: Descriptor): Promise<Buffer> => readBlobFile(directory, config, MAX_CONFIG);
  const bytes = await readBlobFile(directory, descriptor, Limits.manifest).catch(() => undefined);
  if (bytes !== undefined) return await readExisting({ descriptor, bytes }, read, { name, warn });
  warn(`The cache in ${name} is replaced: its manifest ${descriptor.digest} cannot be read`);
  return { descriptor };
}

/** Writes a document and lets the tag refer to it. The caller must hold the lock. */
export async function publishInLayout(
  directory: string,
  tag: string,
  { config, manifest, notes }: EncodedDocument,
): Promise<Descriptor> {
  for (const { descriptor, bytes } of [config, ...(notes === undefined ? [] : [notes]), manifest])
    if (!(await touchBlob(directory, descriptor))) await writeBlobFile(directory, descriptor, bytesOf(bytes));
  const others = (await readLayoutIndex(directory)).filter((entry) => !isTagged(entry, tag));
  const entry = { ...manifest.descriptor, annotations: { [Annotation.refName]: tag } };
  await writeLayoutIndex(directory, [...others, entry]);
  return manifest.descriptor;
}

class LayoutWriter {
  readonly #own: CacheContents;
  readonly #layers: ReadonlyMap<Digest, RemoteLayer>;
  readonly #hold: Hold;
  readonly #options: LayoutTargetOptions;
  /** Blobs that are not available anywhere. */
  readonly #missingBlobs = new Set<Digest>();

  constructor(own: CacheContents, hold: Hold, options: LayoutTargetOptions) {
    this.#own = own;
    this.#layers = layersOfGraph(own.graph);
    this.#hold = hold;
    this.#options = options;
  }

  async write(): Promise<Descriptor | undefined> {
    const { directory, tag } = this.#options;
    makeDirectories(join(directory, "blobs"));
    if ((await this.#prepare()) === undefined) return undefined;
    using _lock = await lockLayout(directory, "exclusive", this.#hold.signal);
    const before = await readLayoutIndex(directory);
    const next = await this.#prepare();
    if (next === undefined) return undefined;
    const { document, existing } = next;
    const { descriptor } = document.manifest;
    if (descriptor.digest === existing.descriptor?.digest) return descriptor;
    await publishInLayout(directory, tag, document);
    await this.#collect(before);
    return descriptor;
  }

  /** The cache has been written by then: what cannot be removed stays. */
  async #collect(before: readonly Descriptor[]): Promise<void> {
    const { directory, grace, warn } = this.#options;
    if (grace === undefined) return;
    await collectLayout(directory, { before, grace }).catch((error: unknown) =>
      warn(`Blobs that the cache in ${directory} does not need any more stay there: ${messageOf(error)}`),
    );
  }

  /** Returns the document to write, after all its layers are in the layout. Returns undefined if there is nothing to write. */
  async #prepare(): Promise<{ readonly document: Composed; readonly existing: ExistingDocument } | undefined> {
    const { directory, tag, form, reset, noted, warn, signer } = this.#options;
    const found = await existingInLayout(directory, tag, warn);
    const existing = reset ? found : trustedExisting(found, signer, { name: `${directory}:${tag}`, warn });
    const contents = reset ? undefined : existing.contents;
    for (;;) {
      const document = compose(
        { existing: contents, own: this.#own, form, missingBlobs: this.#missingBlobs, rank: "first", noted, signer },
        warn,
      );
      if (document === undefined || (await this.#transfer(document))) return document && { document, existing };
    }
  }

  /** Copies the missing blobs of a document into the layout. Returns false if some are not available anywhere. */
  async #transfer({ contents }: Composed): Promise<boolean> {
    const { directory, source, warn } = this.#options;
    const missing: RemoteLayer[] = [];
    let isWhole = true;
    for (const layer of layersOfGraph(contents.graph).values()) {
      if (await touchBlob(directory, layer)) continue;
      const own = this.#layers.get(layer.digest);
      if (own !== undefined) missing.push(own);
      else this.#missingBlobs.add(layer.digest);
      isWhole &&= own !== undefined;
    }
    const lost = await transferLayers(missing, {
      source,
      hold: this.#hold,
      transfer: (layer, open) => writeBlobFile(directory, layer, open(0)),
    });
    warnMissing(lost, warn);
    for (const digest of lost.keys()) this.#missingBlobs.add(digest);
    return isWhole && lost.size === 0;
  }
}
