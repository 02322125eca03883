import { EventEmitter, setMaxListeners } from "node:events";
import { Annotation, type Digest, VarveError } from "../../core/index.ts";
import type { ContentStore, Followed } from "../../content/index.ts";
import type { Bytes } from "../../io/index.ts";
import { LeasedSingleFlight } from "./leased-single-flight.ts";
import { sourcesOf } from "./lost-blob.ts";
import type { BlobForm, FetchBlob, Hold } from "../types.ts";

/**
 * A blob that is being fetched into the content store, or is already there. Disposing of it withdraws this caller: the download
 * goes on for its other callers, and stops if there are none.
 */
export interface Download extends AsyncDisposable {
  /** Resolves when the blob is in the store and verified. Rejects if the blob cannot be fetched. */
  readonly completed: Promise<void>;
  /**
   * Returns the bytes of the blob while they arrive. If another process is fetching the blob, they come when it has finished.
   * The bytes are verified only at the end: the stream ends after `completed` resolves. The stream may fail although
   * `completed` resolves later, for example if a mirror served wrong bytes first.
   */
  bytes(): Bytes;
}

export interface DownloadDeps {
  readonly content: ContentStore;
  readonly fetchBlob: FetchBlob;
}

/** Fetches blobs into the content store. Concurrent callers share one download of a blob. */
export class Downloads {
  readonly #deps: DownloadDeps;
  readonly #flights: LeasedSingleFlight<Digest, void>;
  /** The open ingest of each blob that is being fetched. */
  readonly #ingests = new Map<Digest, Followed>();
  /** Emits an event when an ingest is opened. The digest of the blob is the name of the event. */
  readonly #opened = new EventEmitter<Record<string, [Followed]>>();

  constructor(deps: DownloadDeps) {
    this.#deps = deps;
    this.#flights = new LeasedSingleFlight(deps.content);
    setMaxListeners(0, this.#opened);
  }

  /** Adds a blob to the lease, and fetches it unless it is in the content store. */
  async fetch(blob: BlobForm, hold: Hold): Promise<void> {
    hold.lease.add("blob", blob.digest);
    if (this.#deps.content.info(blob.digest) !== undefined) return;
    await this.#flights.run(blob.digest, (held) => this.#download(blob, held), hold);
  }

  /** Starts to fetch a blob. */
  begin(blob: BlobForm, hold: Hold): Download {
    const { signal } = hold;
    const withdrawn = new AbortController();
    const either = signal === undefined ? withdrawn.signal : AbortSignal.any([signal, withdrawn.signal]);
    const completed = this.fetch(blob, { ...hold, signal: either });
    // The error reaches the caller through `completed` or `bytes`. A caller may use neither of them.
    completed.catch(() => undefined);
    return {
      completed,
      bytes: () => this.#read(blob.digest, completed, either),
      [Symbol.asyncDispose]: async () => {
        withdrawn.abort();
        await completed.catch(() => undefined);
      },
    };
  }

  async *#read(digest: Digest, completed: Promise<void>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const ingest = await this.#ingestOf(digest, completed);
    yield* ingest === undefined ? this.#deps.content.open(digest, { signal }) : ingest.follow({ signal });
    await completed;
  }

  /** Waits for the ingest that a blob is written to. Returns undefined if the download completes without one. */
  async #ingestOf(digest: Digest, completed: Promise<void>): Promise<Followed | undefined> {
    const { promise: opened, resolve } = Promise.withResolvers<Followed>();
    const open = this.#ingests.get(digest);
    if (open !== undefined) return open;
    this.#opened.once(digest, resolve);
    try {
      return await Promise.race([completed.then(() => undefined), opened]);
    } finally {
      this.#opened.off(digest, resolve);
    }
  }

  async #download(blob: BlobForm, hold: Hold): Promise<void> {
    const { digest, diffId } = blob;
    const { content } = this.#deps;
    const fetchBlob = hold.fetchBlob ?? this.#deps.fetchBlob;
    const sources = sourcesOf(blob, content);
    if (sources.length === 0) {
      const state = "it is not in the content store, and no registry that has it is known";
      throw new VarveError("not-found", `Cannot fetch blob ${digest}: ${state}`, { details: { digest } });
    }
    let latest: Followed | undefined;
    try {
      await fetchBlob({ ...blob, sources }, hold, (ingest) => {
        latest = ingest;
        this.#ingests.set(digest, ingest);
        this.#opened.emit(digest, ingest);
      });
      content.label(digest, { [Annotation.uncompressed]: diffId });
    } finally {
      if (this.#ingests.get(digest) === latest) this.#ingests.delete(digest);
    }
  }
}
