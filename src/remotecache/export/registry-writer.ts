import { type Descriptor, type Digest, type Reference, isVarveError, throwIfAborted } from "../../core/index.ts";
import type { OnTransfer, Registry, RequestOptions } from "../../registry/index.ts";
import type { ContainerForm } from "../document/container.ts";
import { type LayerSource, type Warn, warnMissing } from "./target.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bytes, bytesOf } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import { type Composed, compose } from "./compose.ts";
import { tagDigest, existingInRegistry } from "./registry-document.ts";
import { type CacheContents, isSuperseded, layersOfGraph } from "./scopes.ts";
import type { ExistingDocument } from "./existing-document.ts";
import { transferLayers } from "./transfer.ts";

/** Options of `registryTarget`. */
export interface RegistryTargetOptions {
  readonly registry: Registry;
  /** It must have a tag. */
  readonly reference: Reference;
  readonly form: ContainerForm;
  readonly source: LayerSource;
  /** True: the records of all other writers are removed. */
  readonly reset: boolean;
  readonly warn: Warn;
  readonly onEvent?: OnTransfer | undefined;
}

/**
 * The outcome of one attempt:
 *
 * - `current`: the document contains the export. The export is done.
 * - `empty`: there is nothing to write. The export is done.
 * - `written`: the document was written. The next attempt checks that no other process has overwritten it.
 * - `conflict`: another process has written at the same time.
 * - `blobs-missing`: blobs turned out to be unavailable. The next attempt writes a document without them.
 */
export type Attempt =
  | { readonly kind: "current"; readonly descriptor: Descriptor }
  | { readonly kind: "empty" | "written" | "conflict" | "blobs-missing" };

/** In milliseconds. */
const MIN_PAUSE = 50;
const MAX_PAUSE = 3_000;
/** Maximum number of manifests that a registry may reject with `DIGEST_INVALID` before the export fails. */
const MAX_GARBLED = 5;

/**
 * One export to a tag. Registries have no compare-and-swap. So the writer reads the tag again right before it writes, and once more
 * after several times the duration of the write, when any concurrent writer has ended. If the written document was overwritten,
 * the next attempt merges the export again.
 */
export class RegistryWriter {
  readonly #own: CacheContents;
  readonly #layers: ReadonlyMap<Digest, RemoteLayer>;
  readonly #hold: Hold;
  readonly #request: RequestOptions;
  readonly #options: RegistryTargetOptions;
  /** Blobs that are not available anywhere. */
  readonly #missingBlobs = new Set<Digest>();
  /** Blobs that are known to be in the repository. */
  readonly #present = new Set<Digest>();
  /** The document that the first write has replaced. */
  #replaced: { readonly contents: CacheContents | undefined } | undefined;
  /** The manifest of the last write. */
  #last: Descriptor | undefined;
  #pause = MIN_PAUSE;
  #garbled = 0;

  constructor(own: CacheContents, hold: Hold, options: RegistryTargetOptions) {
    this.#own = own;
    this.#layers = layersOfGraph(own.graph);
    this.#hold = hold;
    this.#request = { signal: hold.signal, onWait: hold.onWait };
    this.#options = options;
  }

  /** Makes one attempt to write the export. Call it until the outcome is `current` or `empty`. */
  async attempt(): Promise<Attempt> {
    const { reset } = this.#options;
    const last = this.#last;
    if (last !== undefined && (await tagDigest(this.#options, this.#request)) === last.digest) return current(last);
    const alone = this.#compose(undefined, "first");
    if (alone === undefined) return { kind: "empty" };
    const own = alone.manifest.descriptor.digest;
    const existing = await this.#existing(own);
    const { descriptor } = existing;
    if (descriptor?.digest === own) return current(descriptor);
    if (descriptor !== undefined && this.#isSuperseded(existing)) return current(descriptor);
    const isFirst = this.#replaced === undefined;
    const next = this.#compose(reset && isFirst ? undefined : existing.contents, isFirst ? "first" : "keep");
    if (next === undefined) return { kind: "empty" };
    if (next.manifest.descriptor.digest === descriptor?.digest) return current(descriptor);
    if (!(await this.#transfer(next))) return { kind: "blobs-missing" };
    return await this.#write(next, existing);
  }

  #compose(existing: CacheContents | undefined, rank: "first" | "keep"): Composed | undefined {
    const { warn, form } = this.#options;
    return compose({ existing, own: this.#own, form, missingBlobs: this.#missingBlobs, rank }, warn);
  }

  async #existing(own: Digest): Promise<ExistingDocument> {
    return await existingInRegistry(this.#options, this.#options.warn, this.#request, (digest) => digest === own);
  }

  /** Waits before the next attempt. */
  async waitToRetry(after: "written" | "conflict" | "blobs-missing"): Promise<void> {
    if (after === "blobs-missing") return;
    const wait = after === "written" ? this.#pause * (1 + Math.random()) : this.#pause * Math.random();
    await sleep(wait, undefined, { signal: this.#hold.signal }).catch(() => undefined);
    throwIfAborted(this.#hold.signal, "export cache");
  }

  /** True if newer builds of the same scope have replaced this export since it was written. */
  #isSuperseded({ contents }: ExistingDocument): boolean {
    if (this.#replaced === undefined || contents === undefined) return false;
    return isSuperseded(this.#own, this.#replaced.contents, contents);
  }

  /** Uploads the blobs of the export that the document needs. Returns false if some are not available anywhere. */
  async #transfer({ contents }: Composed): Promise<boolean> {
    const { registry, reference, source, onEvent, warn } = this.#options;
    const needed = [...layersOfGraph(contents.graph).keys()].filter((digest) => !this.#present.has(digest));
    const lost = await transferLayers(
      needed.flatMap((digest) => this.#layers.get(digest) ?? []),
      {
        source,
        hold: this.#hold,
        transfer: async (layer, open, signal) => {
          const mountFrom = repositoriesOf(layer, reference.registry);
          const { digest, size, mediaType } = layer;
          const options = { ...this.#request, signal, mountFrom, onEvent };
          await registry.pushBlob(reference, { digest, size, mediaType }, open, options);
          this.#present.add(digest);
        },
      },
    );
    warnMissing(lost, warn);
    for (const digest of lost.keys()) this.#missingBlobs.add(digest);
    return lost.size === 0;
  }

  async #write(next: Composed, existing: ExistingDocument): Promise<Attempt> {
    const { registry, reference } = this.#options;
    const { config, manifest } = next;
    const configFrom = (offset: number): Bytes => bytesOf(config.bytes.subarray(offset));
    await registry.pushBlob(reference, config.descriptor, configFrom, this.#request);
    const began = performance.now();
    const now = await tagDigest(this.#options, this.#request);
    if (now !== existing.descriptor?.digest) return { kind: "conflict" };
    try {
      const options = { ...this.#request, isSentAgain: false };
      await registry.pushManifest(reference, manifest.descriptor, manifest.bytes, options);
    } catch (error) {
      if (this.#isGarbled(error)) return { kind: "conflict" };
      if (await this.#findMissing(next, error)) return { kind: "blobs-missing" };
      throw error;
    }
    this.#pause = Math.min(MAX_PAUSE, Math.max(this.#pause, 2 * (performance.now() - began)));
    this.#last = manifest.descriptor;
    this.#replaced ??= { contents: existing.contents };
    return { kind: "written" };
  }

  /** True if the registry has read the link to a blob while another client wrote it. The tag may have changed since. */
  #isGarbled(error: unknown): boolean {
    if (!isVarveError(error, "remote") || error.details.registryCode !== "DIGEST_INVALID") return false;
    this.#garbled += 1;
    return this.#garbled <= MAX_GARBLED;
  }

  /** After a manifest was rejected: checks whether the repository has lost blobs. Blobs of the export are then uploaded again. */
  async #findMissing({ contents }: Composed, error: unknown): Promise<boolean> {
    const { registry, reference, warn } = this.#options;
    if (!isVarveError(error, "remote", "not-found")) return false;
    const before = this.#missingBlobs.size;
    let isWhole = true;
    for (const digest of layersOfGraph(contents.graph).keys()) {
      if (await registry.hasBlob(reference, digest, this.#request)) continue;
      isWhole = false;
      this.#present.delete(digest);
      if (!this.#layers.has(digest)) this.#missingBlobs.add(digest);
    }
    const lost = this.#missingBlobs.size - before;
    if (lost > 0)
      warn(`${lost} blobs of the cache no longer exist in the registry: the records lose the results that need them`);
    return !isWhole;
  }
}

function current(descriptor: Descriptor): Attempt {
  return { kind: "current", descriptor };
}

/** Returns the repositories of the registry that are known to have a layer. */
function repositoriesOf({ sources }: RemoteLayer, host: string): string[] {
  return sources.filter((source) => source.startsWith(`${host}/`)).map((source) => source.slice(host.length + 1));
}
