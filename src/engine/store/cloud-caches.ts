import { type Digest, VarveError } from "../../core/index.ts";
import { type Bytes, verified } from "../../io/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { FetchBlob } from "../../record/index.ts";
import type { CloudBlobs, CloudCache, OpenCloudCache } from "../../remotecache/index.ts";

/** A cache that is open, with the identity of its attributes; undefined if it was opened by its source. */
interface Opening {
  readonly id: string | undefined;
  readonly opened: Promise<CloudBlobs>;
}

/** What the sources of caches in clouds begin with. */
const SCHEMES = ["azblob:", "gha:", "s3:"];
/** Maximum number of caches that stay open, and of those that were replaced. */
const MAX_OPEN = 32;

/** True for a source in a cloud. */
export function isCloudSource(source: string): boolean {
  return SCHEMES.some((scheme) => source.startsWith(scheme));
}

/**
 * The caches in clouds that are open in this process. A build that imports a cache opens its source with the build's credentials; a layer
 * that is needed later, by another process, is fetched with the credentials of the machine.
 */
export class CloudCaches implements Disposable {
  /** By source, oldest first. */
  readonly #open = new Map<string, Opening>();
  /** Caches that were opened with attributes, by their identity. */
  readonly #caches = new Map<string, Promise<OpenCloudCache>>();
  /** Caches that were replaced, oldest first. Other builds may still read from them. */
  readonly #retired: Opening[] = [];

  /** Returns a cache that is open. It stays open for layers that are fetched later. */
  async of({ id, source, open }: CloudCache): Promise<OpenCloudCache> {
    const known = this.#open.get(source)?.id === id ? this.#caches.get(id) : undefined;
    if (known !== undefined) return await known;
    const opened = open();
    this.#keep(source, { id, opened });
    this.#caches.set(id, opened);
    return await opened;
  }

  /** Fetches a blob into the content store. Throws `not-found` if it does not exist. */
  async fetch(source: string, content: ContentStore, ...[blob, hold]: Parameters<FetchBlob>): Promise<void> {
    const { digest, size } = blob;
    const blobs = await this.#blobs(source);
    const opened = await blobs.blob(digest, { signal: hold.signal, onWait: hold.onWait });
    if (opened === undefined) throw missing(blobs, digest);
    const expected = { digest, size };
    const bytes: Bytes = verified(opened.bytes, expected, { what: `blob ${digest} of ${blobs.name}` });
    await content.put(bytes, { ...hold, expected });
  }

  #blobs(source: string): Promise<CloudBlobs> {
    const known = this.#open.get(source);
    if (known !== undefined) return known.opened;
    const opened = import("../../remotecache/index.ts").then(({ openCloudBlobs }) => openCloudBlobs(source));
    this.#keep(source, { id: undefined, opened });
    return opened;
  }

  #keep(source: string, next: Opening): void {
    next.opened.catch(() => {
      if (this.#open.get(source) === next) this.#open.delete(source);
    });
    const before = this.#open.get(source);
    if (before !== undefined) this.#retire(before);
    this.#open.delete(source);
    this.#open.set(source, next);
    const [oldest] = this.#open;
    if (this.#open.size > MAX_OPEN && oldest !== undefined) {
      this.#open.delete(oldest[0]);
      this.#retire(oldest[1]);
    }
    while (this.#retired.length > MAX_OPEN) close(this.#retired.shift());
  }

  #retire(opening: Opening): void {
    if (opening.id !== undefined) this.#caches.delete(opening.id);
    this.#retired.push(opening);
  }

  [Symbol.dispose](): void {
    for (const opening of [...this.#open.values(), ...this.#retired]) close(opening);
    this.#open.clear();
    this.#caches.clear();
    this.#retired.length = 0;
  }
}

/** Closes the connections of a cache. */
function close(opening: Opening | undefined): void {
  opening?.opened.then((blobs) => blobs[Symbol.dispose]()).catch(() => undefined);
}

function missing({ name }: CloudBlobs, digest: Digest): VarveError {
  return new VarveError("not-found", `Cannot fetch blob ${digest}: it no longer exists in ${name}`);
}
