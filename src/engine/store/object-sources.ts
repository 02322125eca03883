import { type Digest, VarveError } from "../../core/index.ts";
import { type Bytes, verified } from "../../io/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { FetchBlob } from "../../record/index.ts";
import type { ObjectStore } from "../../objectstore/index.ts";
import type { ObjectCache } from "../../remotecache/index.ts";

/** A store that is open, with what the keys of its blobs begin with. */
interface OpenSource {
  readonly store: ObjectStore;
  readonly blobs: string;
}

const SCHEMES = ["s3://"];
/** Maximum number of stores that stay open. */
const MAX_OPEN = 32;

/** True for a source in an object store. */
export function isObjectSource(source: string): boolean {
  return SCHEMES.some((scheme) => source.startsWith(scheme));
}

/**
 * The object stores that caches of a store are in. A build that imports a cache opens its source with the build's credentials; a layer
 * that is needed later, by another process, is fetched with the credentials of the machine.
 */
export class ObjectSources implements Disposable {
  /** By source, least recently used first. */
  readonly #open = new Map<string, Promise<OpenSource>>();

  /** Returns the open store of a cache. It stays open for layers that are fetched later. */
  async of(cache: ObjectCache): Promise<ObjectStore> {
    const opened = cache.open().then((store) => ({ store, blobs: cache.keys.blobs }));
    this.#keep(cache.source, opened);
    return (await opened).store;
  }

  /** Fetches a blob into the content store. Throws `not-found` if it does not exist. */
  async fetch(source: string, content: ContentStore, ...[blob, hold]: Parameters<FetchBlob>): Promise<void> {
    const { digest, size } = blob;
    const { store, blobs } = await this.#source(source);
    const opened = await store.get(`${blobs}${digest}`, { signal: hold.signal, onWait: hold.onWait });
    if (opened === undefined) throw missing(store, digest);
    const expected = { digest, size };
    const bytes: Bytes = verified(opened.bytes, expected, { what: `blob ${digest} of ${store.name}` });
    await content.put(bytes, { ...hold, expected });
  }

  #source(source: string): Promise<OpenSource> {
    const known = this.#open.get(source);
    if (known !== undefined) return known;
    const opened = import("../../remotecache/index.ts").then(({ openS3Source }) => openS3Source(source));
    this.#keep(source, opened);
    return opened;
  }

  #keep(source: string, opened: Promise<OpenSource>): void {
    opened.catch(() => this.#open.delete(source));
    const before = this.#open.get(source);
    this.#open.delete(source);
    this.#open.set(source, opened);
    if (before !== undefined) close(before);
    for (const [name, oldest] of this.#open) {
      if (this.#open.size <= MAX_OPEN) return;
      this.#open.delete(name);
      close(oldest);
    }
  }

  [Symbol.dispose](): void {
    for (const opened of this.#open.values()) close(opened);
    this.#open.clear();
  }
}

/** Closes idle connections. Requests that run go on. */
function close(opened: Promise<OpenSource>): void {
  opened.then(({ store }) => store[Symbol.dispose]()).catch(() => undefined);
}

function missing({ name }: ObjectStore, digest: Digest): VarveError {
  return new VarveError("not-found", `Cannot fetch blob ${digest}: it no longer exists in ${name}`);
}
