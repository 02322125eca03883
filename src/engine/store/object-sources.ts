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

interface Opening {
  /** That of the cache. */
  readonly id: string;
  readonly opened: Promise<OpenSource>;
}

const SCHEMES = ["s3://"];
/** Maximum number of stores that stay open, and of those that were replaced. */
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
  /** By source, oldest first. */
  readonly #open = new Map<string, Opening>();
  /** Stores that were replaced, oldest first. Other builds may still read from them. */
  readonly #retired: Opening[] = [];

  /** Returns the open store of a cache. It stays open for layers that are fetched later. */
  async of({ id, source, keys, open }: ObjectCache): Promise<ObjectStore> {
    const known = this.#open.get(source);
    if (known?.id === id) return (await known.opened).store;
    const opened = open().then((store) => ({ store, blobs: keys.blobs }));
    this.#keep(source, { id, opened });
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
    if (known !== undefined) return known.opened;
    const opened = import("../../remotecache/index.ts").then(({ openS3Source }) => openS3Source(source));
    this.#keep(source, { id: "", opened });
    return opened;
  }

  #keep(source: string, next: Opening): void {
    next.opened.catch(() => {
      if (this.#open.get(source) === next) this.#open.delete(source);
    });
    const before = this.#open.get(source);
    if (before !== undefined) this.#retired.push(before);
    this.#open.delete(source);
    this.#open.set(source, next);
    const [oldest] = this.#open;
    if (this.#open.size > MAX_OPEN && oldest !== undefined) {
      this.#open.delete(oldest[0]);
      this.#retired.push(oldest[1]);
    }
    while (this.#retired.length > MAX_OPEN) close(this.#retired.shift());
  }

  [Symbol.dispose](): void {
    for (const opening of [...this.#open.values(), ...this.#retired]) close(opening);
    this.#open.clear();
    this.#retired.length = 0;
  }
}

/** Closes the connections of a store. */
function close(opening: Opening | undefined): void {
  opening?.opened.then(({ store }) => store[Symbol.dispose]()).catch(() => undefined);
}

function missing({ name }: ObjectStore, digest: Digest): VarveError {
  return new VarveError("not-found", `Cannot fetch blob ${digest}: it no longer exists in ${name}`);
}
