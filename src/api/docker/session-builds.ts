import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import { apiError } from "./errors.ts";

/** Milliseconds that an upload and the build that it belongs to wait for each other, as in Docker's daemon. */
const PATIENCE = 5000;
/** Maximum number of builds and uploads with an id at the same time. */
const MAX_ENTRIES = 1000;

interface Entry {
  readonly cancel: AbortController;
  /** The bytes of an upload. */
  readonly offered: PromiseWithResolvers<Bytes>;
  /** Resolved when a build begins to read the upload. */
  readonly taken: PromiseWithResolvers<void>;
  /** Resolved when the build has read the upload, or stops reading it. */
  readonly read: PromiseWithResolvers<void>;
}

/** A build with an id. */
export interface OpenBuild extends Disposable {
  /** Aborted when a request cancels the build. */
  readonly signal: AbortSignal;
  /** Returns the context that another request brings. Throws 500 if none does in time. */
  upload(): Promise<Bytes>;
}

/** Builds of `POST /build` that have an id: requests that cancel them, and requests that bring their contexts, find them by it. */
export class SessionBuilds {
  readonly #entries = new Map<string, Entry>();

  /** Adds a build, which other requests find until it is disposed of. */
  open(id: string): OpenBuild {
    const entry = this.#entry(id);
    return {
      signal: entry.cancel.signal,
      upload: async () => reading(await inTime(entry.offered.promise, "no context was uploaded"), entry),
      [Symbol.dispose]: () => {
        this.#entries.delete(id);
        entry.read.resolve();
      },
    };
  }

  /** Cancels a build. An unknown id is not an error. */
  cancel(id: string): void {
    this.#entries.get(id)?.cancel.abort(new VarveError("cancelled", "Cannot build: the client cancelled the build"));
  }

  /** Offers the context of a build, and waits until the build has read it. Throws 500 if no build asks for it in time. */
  async offer(id: string, bytes: Bytes): Promise<void> {
    const entry = this.#entry(id);
    entry.offered.resolve(bytes);
    try {
      await inTime(entry.taken.promise, "no build asked for the uploaded context");
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    }
    await entry.read.promise;
  }

  #entry(id: string): Entry {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    if (this.#entries.size >= MAX_ENTRIES) throw apiError(500, "too many builds at the same time");
    const entry: Entry = {
      cancel: new AbortController(),
      offered: Promise.withResolvers(),
      taken: Promise.withResolvers(),
      read: Promise.withResolvers(),
    };
    this.#entries.set(id, entry);
    return entry;
  }
}

async function* reading(bytes: Bytes, { taken, read }: Entry): AsyncGenerator<Uint8Array> {
  taken.resolve();
  try {
    yield* bytes;
  } finally {
    read.resolve();
  }
}

async function inTime<T>(promise: Promise<T>, fault: string): Promise<T> {
  const done = new AbortController();
  const late = async (): Promise<never> => {
    await sleep(PATIENCE, undefined, { signal: done.signal, ref: false });
    throw apiError(500, `Cannot build: ${fault}`);
  };
  try {
    return await Promise.race([promise, late()]);
  } finally {
    done.abort();
  }
}
