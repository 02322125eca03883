import { setTimeout as sleep } from "node:timers/promises";
import { type Descriptor, type Digest, VarveError, isVarveError, messageOf, throwIfAborted } from "../../core/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import type { ReleasedBlob } from "../document/released.ts";
import { type Composed, compose } from "./compose.ts";
import type { DocumentSigner } from "../signing/trust.ts";
import type { DocumentPlace, PlaceRequest, VersionedDocument } from "./document-place.ts";
import { type CollectionTimes, release } from "./release.ts";
import { trustedExisting } from "./existing-document.ts";
import { type CacheContents, contentsOf, isSuperseded, layersOfGraph } from "./scopes.ts";
import { type CacheTarget, type LayerSource, type Warn, warnMissing, warnOnce } from "./target.ts";
import { transferLayers } from "./transfer.ts";

/** Options of `placeTarget`. */
export interface PlaceTargetOptions {
  readonly source: LayerSource;
  /** True: the records of all other writers are removed. */
  readonly reset: boolean;
  /** Whether notes of records are written. Default: true. */
  readonly noted?: boolean | undefined;
  readonly warn: Warn;
  /** Signs the document. A document that it has not signed is replaced. */
  readonly signer?: DocumentSigner | undefined;
  /** Milliseconds for which blobs stay that no document needs any more. Undefined: always. */
  readonly grace?: number | undefined;
  /** Returns milliseconds since 1970. Default: the time. */
  readonly now?: (() => number) | undefined;
}

/** Maximum number of attempts before the export fails. */
const MAX_TRIES = 100;

/**
 * Returns a place as a target. It sends only what the place lacks, asks only once whether the place has a blob, and sends no document
 * that would not change. `write` throws `busy` if other processes write all the time.
 */
export function placeTarget(place: DocumentPlace, options: PlaceTargetOptions): CacheTarget {
  const present = new Set<Digest>();
  return {
    async write({ graph, tops, stage }, scope, hold): Promise<Descriptor | undefined> {
      const contents = contentsOf(graph, tops, scope, stage);
      const writer = new DocumentWriter(place, contents, hold, { ...options, warn: warnOnce(options.warn), present });
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const outcome = await writer.attempt();
        if (outcome.kind === "current") {
          await writer.collect();
          return outcome.descriptor;
        }
        if (outcome.kind === "empty") return undefined;
        if (outcome.kind === "written" && stage?.kind === "running") return outcome.descriptor;
        await writer.waitToRetry(outcome.kind);
      }
      throw new VarveError("busy", `Cannot export cache to ${place.name}: other processes write to it all the time`);
    },
  };
}

/**
 * The outcome of one attempt:
 *
 * - `current`: the document contains the export. The export is done.
 * - `empty`: there is nothing to write. The export is done.
 * - `written`: the document was written. The next attempt checks that no other process has overwritten it. An export of a build that
 *   runs is content with that, because there will be another.
 * - `conflict`: another process has written at the same time.
 * - `blobs-missing`: blobs turned out to be unavailable. The next attempt writes a document without them.
 */
type Attempt =
  | { readonly kind: "current" | "written"; readonly descriptor: Descriptor }
  | { readonly kind: "empty" | "conflict" | "blobs-missing" };

/** A document that an attempt is about to write. */
interface NextDocument {
  readonly kind: "next";
  readonly document: Composed;
  readonly existing: VersionedDocument;
  /** What it has released long enough ago. */
  readonly expired: readonly ReleasedBlob[];
}

interface WriterOptions extends PlaceTargetOptions {
  /** Blobs that are known to be in the place. */
  readonly present: Set<Digest>;
}

/** In milliseconds. */
const MAX_PAUSE = 3_000;

/**
 * One export to a place. Where writes have no conditions, the place looks at the version right before it writes, and the writer once
 * more after several times the duration of the write, when any concurrent writer has ended. If the written document was overwritten,
 * the next attempt merges the export again.
 */
class DocumentWriter {
  readonly #place: DocumentPlace;
  readonly #own: CacheContents;
  readonly #layers: ReadonlyMap<Digest, RemoteLayer>;
  readonly #hold: Hold;
  readonly #request: PlaceRequest;
  readonly #options: WriterOptions;
  /** Blobs that are not available anywhere. */
  readonly #missingBlobs = new Set<Digest>();
  /** The document that the first write has replaced. */
  #replaced: { readonly contents: CacheContents | undefined } | undefined;
  /** The last write. */
  #last: { readonly version: string; readonly descriptor: Descriptor } | undefined;
  /** What the last document that was written has released long enough ago. */
  #expired: readonly ReleasedBlob[] = [];
  #pause: number;

  constructor(place: DocumentPlace, own: CacheContents, hold: Hold, options: WriterOptions) {
    this.#place = place;
    this.#pause = place.settles;
    this.#own = own;
    this.#layers = layersOfGraph(own.graph);
    this.#hold = hold;
    this.#request = { signal: hold.signal, onWait: hold.onWait };
    this.#options = options;
  }

  /** Makes one attempt to write the export. Call it until the outcome is `current` or `empty`. */
  async attempt(): Promise<Attempt> {
    const last = this.#last;
    if (last !== undefined && (await this.#place.version(this.#request)) === last.version)
      return current(last.descriptor);
    const alone = this.#compose(undefined, "first");
    if (alone === undefined) return { kind: "empty" };
    const sent = this.#place.layersLive === "own" ? this.#transfer(alone) : Promise.resolve(true);
    // The new document is made while layers are sent.
    const [isSent, next] = await whenBothEnd(sent, this.#next(alone));
    if (!isSent) return { kind: "blobs-missing" };
    if (next.kind !== "next") return next;
    if (!(await this.#transfer(next.document))) return { kind: "blobs-missing" };
    return await this.#write(next);
  }

  /** Returns the document to write. `alone`: the export by itself. */
  async #next(alone: Composed): Promise<Attempt | NextDocument> {
    const { reset } = this.#options;
    const own = alone.manifest.descriptor.digest;
    const existing = this.#trusted(await this.#place.existing(this.#request, (digest) => digest === own));
    const { descriptor } = existing;
    if (descriptor?.digest === own) return current(descriptor);
    if (descriptor !== undefined && this.#isSuperseded(existing)) return current(descriptor);
    const isFirst = this.#replaced === undefined;
    const others = reset && isFirst ? undefined : existing.contents;
    const composed = others === undefined && isFirst ? alone : this.#compose(others, isFirst ? "first" : "keep");
    if (composed === undefined) return { kind: "empty" };
    if (composed.manifest.descriptor.digest === descriptor?.digest) return current(descriptor);
    const times = this.#times;
    const { document, expired } =
      times === undefined ? { document: composed, expired: [] } : release(composed, existing, times);
    await this.#place.prepare?.(document, this.#request);
    return { kind: "next", document, existing, expired };
  }

  /** Removes what is not needed any more. Call it when the document is written; what cannot be removed stays. */
  async collect(): Promise<void> {
    const times = this.#times;
    if (times === undefined || this.#expired.length === 0) return;
    try {
      await this.#place.collect?.(this.#expired, times, this.#request);
    } catch (error) {
      throwIfAborted(this.#hold.signal, "export cache");
      const why = messageOf(error);
      this.#options.warn(`Blobs that the cache in ${this.#place.name} does not need any more stay there: ${why}`);
    }
  }

  /** Undefined if nothing is removed. */
  get #times(): CollectionTimes | undefined {
    const { grace, now = Date.now } = this.#options;
    return grace === undefined || this.#place.collect === undefined ? undefined : { now: now(), grace };
  }

  #trusted(existing: VersionedDocument): VersionedDocument {
    const { reset, signer, warn } = this.#options;
    return reset ? existing : trustedExisting(existing, signer, { name: this.#place.name, warn });
  }

  #compose(existing: CacheContents | undefined, rank: "first" | "keep"): Composed | undefined {
    const { form } = this.#place;
    const { noted, signer, warn } = this.#options;
    return compose({ existing, own: this.#own, form, missingBlobs: this.#missingBlobs, rank, noted, signer }, warn);
  }

  /** Waits before the next attempt. */
  async waitToRetry(after: "written" | "conflict" | "blobs-missing"): Promise<void> {
    if (after === "blobs-missing") return;
    const wait = after === "written" ? this.#pause * (1 + Math.random()) : this.#pause * Math.random();
    await sleep(wait, undefined, { signal: this.#hold.signal }).catch(() => undefined);
    throwIfAborted(this.#hold.signal, "export cache");
  }

  /** True if newer builds of the same scope have replaced this export since it was written. */
  #isSuperseded({ contents }: VersionedDocument): boolean {
    if (this.#replaced === undefined || contents === undefined) return false;
    return isSuperseded(this.#own, this.#replaced.contents, contents);
  }

  /** Sends the blobs of the export that the document needs. Returns false if some are not available anywhere. */
  async #transfer({ contents }: Composed): Promise<boolean> {
    const { source, warn, present } = this.#options;
    const needed = [...layersOfGraph(contents.graph).keys()].filter((digest) => !present.has(digest));
    const lost = await transferLayers(
      needed.flatMap((digest) => this.#layers.get(digest) ?? []),
      {
        source,
        hold: this.#hold,
        transfer: async (layer, open, signal) => {
          await this.#place.pushLayer(layer, open, { ...this.#request, signal });
          present.add(layer.digest);
        },
      },
    );
    warnMissing(lost, warn);
    for (const digest of lost.keys()) this.#missingBlobs.add(digest);
    return lost.size === 0;
  }

  async #write({ document, existing, expired }: NextDocument): Promise<Attempt> {
    const began = performance.now();
    const published = await this.#place.publish(document, existing.version, this.#request);
    if (published.kind === "conflict") return { kind: "conflict" };
    if (published.kind === "rejected") {
      if (await this.#findMissing(document, published.error)) return { kind: "blobs-missing" };
      throw published.error;
    }
    const { descriptor } = document.manifest;
    this.#expired = expired;
    if (published.isFinal) return current(descriptor);
    this.#pause = Math.min(MAX_PAUSE, Math.max(this.#pause, 2 * (performance.now() - began)));
    this.#last = published.version === undefined ? undefined : { version: published.version, descriptor };
    this.#replaced ??= { contents: existing.contents };
    return { kind: "written", descriptor };
  }

  /** After a document was rejected: checks whether the place has lost blobs. Blobs of the export are then sent again. */
  async #findMissing({ contents }: Composed, error: unknown): Promise<boolean> {
    if (!isVarveError(error, "remote", "not-found")) return false;
    const before = this.#missingBlobs.size;
    let isWhole = true;
    for (const digest of layersOfGraph(contents.graph).keys()) {
      if (await this.#place.hasLayer({ digest }, this.#request)) continue;
      isWhole = false;
      this.#options.present.delete(digest);
      if (!this.#layers.has(digest)) this.#missingBlobs.add(digest);
    }
    const lost = this.#missingBlobs.size - before;
    if (lost > 0)
      this.#options.warn(
        `${lost} blobs of the cache no longer exist in the registry: the records lose the results that need them`,
      );
    return !isWhole;
  }
}

/** Waits until both have ended, also if one fails. */
async function whenBothEnd<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}

function current(descriptor: Descriptor): Attempt {
  return { kind: "current", descriptor };
}
