import { type Descriptor, type Digest, VarveError, messageOf, throwIfAborted } from "../../core/index.ts";
import { type Bytes, Semaphore, bytesOf } from "../../io/index.ts";
import type { ActionsCache } from "../../objectstore/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { Composed } from "../export/compose.ts";
import type { DocumentPlace, PlaceRequest, Published, VersionedDocument } from "../export/document-place.ts";
import { placeTarget } from "../export/document-writer.ts";
import { readExisting } from "../export/existing-document.ts";
import type { CacheTarget } from "../export/target.ts";
import type { CloudTargetOptions } from "./cloud-cache.ts";
import type { GhaIndex } from "./gha-index.ts";
import { GHA_BLOBS, ghaBlobKey, ghaBlobs } from "./gha-keys.ts";
import { cloudReader } from "./object-document.ts";
import { sendReported } from "./reported.ts";

/** Maximum number of blobs that are sent at the same time. The service limits the rate of new entries. */
const PARALLELISM = 4;

/**
 * Returns a document of the cache service as a target. It sends the blobs that are missing. Concurrent jobs keep each other's records. If
 * the service does not save, nothing is exported, with a warning. Every other failure is thrown.
 */
export function ghaTarget(service: ActionsCache, index: GhaIndex, options: CloudTargetOptions): CacheTarget {
  return {
    write: async (exported, scope, hold) => {
      const document = new GhaDocument(service, index, options);
      try {
        return await placeTarget(document, options).write(exported, scope, hold);
      } catch (error) {
        if (document.refusal === undefined || error !== document.refusal) throw error;
        options.warn(document.refusal.message);
        return undefined;
      }
    },
  };
}

/** A document and its blobs. The version of the document is the key of its entry. */
class GhaDocument implements DocumentPlace {
  readonly name: string;
  readonly form = "annotated";
  readonly layersLive = "own";
  readonly settles = 2000;
  readonly #service: ActionsCache;
  readonly #index: GhaIndex;
  readonly #options: CloudTargetOptions;
  readonly #slots = new Semaphore(PARALLELISM);
  /** The error that says that the service does not save. */
  refusal: VarveError | undefined;
  #listed: Promise<ReadonlySet<string> | undefined> | undefined;

  constructor(service: ActionsCache, index: GhaIndex, options: CloudTargetOptions) {
    this.name = index.name;
    this.#service = service;
    this.#index = index;
    this.#options = options;
  }

  async version(request: PlaceRequest): Promise<string | undefined> {
    return await this.#index.version(request);
  }

  async existing(request: PlaceRequest, isKnown: (digest: Digest) => boolean): Promise<VersionedDocument> {
    const document = await this.#index.read(request);
    if (document === undefined) return { version: undefined };
    const { descriptor, etag: version } = document;
    if (isKnown(descriptor.digest)) return { descriptor, version };
    const read = cloudReader(ghaBlobs(this.#service), request);
    return { ...(await readExisting(document, read, { name: this.name, warn: this.#options.warn })), version };
  }

  async pushLayer(layer: RemoteLayer, open: (offset: number) => Bytes, request: PlaceRequest): Promise<void> {
    await sendReported(layer, this.name, this.#options.onEvent, async (reported) => {
      using _slot = await this.#slots.acquire(request.signal);
      return await this.#put(layer, () => reported(open(0)), request);
    });
  }

  /** Sends a blob unless it is there. */
  async #put(
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    open: () => Bytes,
    request: PlaceRequest,
  ): Promise<"exists" | "done"> {
    if (await this.hasLayer({ digest }, request)) return "exists";
    const written = await this.#service.write(ghaBlobKey(digest), { size, digest, open }, request);
    if (written.kind === "refused") throw this.#refused(`blob ${digest}`, written.why);
    // Whoever has reserved the entry is writing it. If that job has died, readers do not find the blob, and run the step.
    return written.kind === "taken" ? "exists" : "done";
  }

  async hasLayer({ digest }: { readonly digest: Digest }, request: PlaceRequest): Promise<boolean> {
    const key = ghaBlobKey(digest);
    const listed = await this.#list(request);
    return listed === undefined ? (await this.#service.find(key, request)) === key : listed.has(key);
  }

  async prepare({ notes }: Composed, request: PlaceRequest): Promise<void> {
    if (notes !== undefined) await this.#put(notes.descriptor, () => bytesOf(notes.bytes), request);
  }

  async publish({ manifest }: Composed, before: string | undefined, request: PlaceRequest): Promise<Published> {
    const written = await this.#index.write(manifest.bytes, before, request);
    if (written.kind === "refused") throw this.#refused("its document", written.why);
    if (written.kind === "conflict") return written;
    return { kind: "written", version: written.key, isFinal: written.isNext };
  }

  #refused(what: string, why: string): VarveError {
    const message = `The cache is not exported: the cache service does not save ${what}: ${why}`;
    return (this.refusal ??= new VarveError("remote", message));
  }

  /** Returns the keys of the blobs that the repository has, if it can be asked: one request in place of one for each blob. */
  #list(request: PlaceRequest): Promise<ReadonlySet<string> | undefined> {
    this.#listed ??= this.#readList(request).catch((error: unknown) => {
      throwIfAborted(request.signal, "export cache");
      this.#options.warn(`Each blob of the cache is looked up by itself: ${messageOf(error)}`);
      return undefined;
    });
    return this.#listed;
  }

  async #readList(request: PlaceRequest): Promise<ReadonlySet<string> | undefined> {
    const { entries, token } = this.#service;
    if (entries === undefined) return undefined;
    const keys = new Set<string>();
    for (const { scope } of token.scopes)
      for await (const { key } of entries.list(GHA_BLOBS, scope, request)) keys.add(key);
    return keys;
  }
}
