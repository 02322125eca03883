import { EventEmitter, once, setMaxListeners } from "node:events";
import { Annotation, type Digest, VarveError } from "../../core/index.ts";
import type { ContentStore, Followed } from "../../content/index.ts";
import type { Bytes } from "../../io/index.ts";
import { LeasedFlights } from "./leased-flights.ts";
import { sourcesOf } from "./lost-blob.ts";
import type { BlobFace, FetchBlob, Hold } from "../types.ts";

/** A blob that is on its way into the content store, or there. Disposing of it leaves the download to the others who want it. */
export interface Arrival extends AsyncDisposable {
  /** Settles when the blob is in the store, verified; rejects if it cannot be had. */
  readonly whole: Promise<void>;
  /**
   * Its bytes, as they come where this process brings them, and not verified before the end of the stream: that is reached
   * only once `whole` is. May fail though the blob comes in the end, if wrong bytes came first.
   */
  bytes(): Bytes;
}

export interface ArrivalDeps {
  readonly content: ContentStore;
  readonly fetchBlob: FetchBlob;
}

/** Fetches blobs, each once however many ask for it. */
export class Arrivals {
  readonly #deps: ArrivalDeps;
  readonly #flights: LeasedFlights<Digest, void>;
  /** The ingests that blobs are being written to, and news of them: events are named by the digest. */
  readonly #ingests = new Map<Digest, Followed>();
  readonly #begun = new EventEmitter();

  constructor(deps: ArrivalDeps) {
    this.#deps = deps;
    this.#flights = new LeasedFlights(deps.content);
    setMaxListeners(0, this.#begun);
  }

  /** Has the blob in the store, kept by the lease, fetching it from where it is if need be. */
  async fetch(blob: BlobFace, hold: Hold): Promise<void> {
    hold.lease.add("blob", blob.digest);
    if (this.#deps.content.info(blob.digest) !== undefined) return;
    await this.#flights.run(blob.digest, (held) => this.#download(blob, held), hold);
  }

  /** Begins to fetch a blob. */
  begin(blob: BlobFace, hold: Hold): Arrival {
    const { signal } = hold;
    const left = new AbortController();
    const both = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
    const whole = this.fetch(blob, { ...hold, signal: both });
    // Who reads the bytes, or waits for them, sees the error; nobody has to.
    whole.catch(() => undefined);
    return {
      whole,
      bytes: () => this.#read(blob.digest, whole, both),
      [Symbol.asyncDispose]: async () => {
        left.abort();
        await whole.catch(() => undefined);
      },
    };
  }

  async *#read(digest: Digest, whole: Promise<void>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const ingest = await this.#ingestOf(digest, whole);
    yield* ingest === undefined ? this.#deps.content.open(digest, { signal }) : ingest.follow({ signal });
    await whole;
  }

  /** The ingest that a blob is written to, as soon as there is one; undefined if the blob is whole before. */
  async #ingestOf(digest: Digest, whole: Promise<void>): Promise<Followed | undefined> {
    const done = new AbortController();
    const { signal } = done;
    try {
      const begun = async (): Promise<Followed | undefined> =>
        this.#ingests.get(digest) ?? ((await once(this.#begun, digest, { signal })) as [Followed])[0];
      return await Promise.race([whole.then(() => undefined), begun()]);
    } finally {
      done.abort();
    }
  }

  async #download(blob: BlobFace, hold: Hold): Promise<void> {
    const { digest, diffId } = blob;
    const { content, fetchBlob } = this.#deps;
    const sources = sourcesOf(blob, content);
    if (sources.length === 0) {
      const state = "it is not in the store and its source is not known";
      throw new VarveError("not-found", `Cannot fetch blob ${digest}: ${state}`, { details: { digest } });
    }
    let latest: Followed | undefined;
    try {
      await fetchBlob({ ...blob, sources }, hold, (ingest) => {
        latest = ingest;
        this.#ingests.set(digest, ingest);
        this.#begun.emit(digest, ingest);
      });
      content.label(digest, { [Annotation.uncompressed]: diffId });
    } finally {
      if (this.#ingests.get(digest) === latest) this.#ingests.delete(digest);
    }
  }
}
