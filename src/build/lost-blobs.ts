import { type Digest, isVarveError } from "../core/index.ts";
import type { Records } from "../record/index.ts";

/** Something that offers results whose blobs are elsewhere. */
export interface BlobUser {
  /** Where its blobs are, as records name their sources. */
  readonly source: string;
  /** The blob is not there, or not as it should be. */
  dropBlob(digest: Digest): void;
}

/** Tells the caches that are in use of blobs that turned out to be missing where they said they are. */
export class LostBlobs {
  readonly #users = new Set<BlobUser>();
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Until the returned value is disposed of. */
  tell(user: BlobUser): Disposable {
    this.#users.add(user);
    return { [Symbol.dispose]: () => void this.#users.delete(user) };
  }

  /** Takes in an error; one that says that a record cannot be read counts for all sources of the record's blob. */
  note(error: unknown): void {
    const record = isVarveError(error) ? error.details["record"] : undefined;
    const blob = typeof record === "string" ? this.#records.get(record)?.blob : undefined;
    if (blob === undefined) return;
    for (const user of this.#users) if (blob.sources.includes(user.source)) user.dropBlob(blob.digest);
  }
}
