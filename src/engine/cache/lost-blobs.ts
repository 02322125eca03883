import { type Digest, type VarveError, isVarveError } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { BlobForm, RecordId, Records } from "../../record/index.ts";

/** An imported cache that is in use. The blobs of its results are in a registry, a directory or a bucket. */
export interface BlobUser {
  /** The source of its blobs, as records name it. */
  readonly source: string;
  /** Called when a blob is missing or has wrong content, with what happened when it was read. */
  dropBlob(digest: Digest, error: VarveError): void;
  /** Called when the source fails altogether. */
  dropAll(): void;
}

export interface LostBlobDeps {
  readonly records: Records;
  readonly content: ContentStore;
}

/** Maximum number of blobs that a source may fail to serve (server errors, time-outs) before builds stop asking it. */
const FAILURES = 2;

/**
 * Blobs that are missing or wrong at the sources that records name. Reports them to the caches in use, so that no other result that
 * needs such a blob is tried. Forgets all of them when no build is running, because a source may serve them later.
 */
export class LostBlobs {
  readonly #deps: LostBlobDeps;
  readonly #users = new Set<BlobUser>();
  /** The sources that did not serve a blob, by its digest. */
  readonly #missing = new Map<Digest, Set<string>>();
  /** Names of blobs whose content differs from what their records say. */
  readonly #wrong = new Set<string>();
  readonly #failures = new Map<string, Set<Digest>>();
  #builds = 0;

  constructor(deps: LostBlobDeps) {
    this.#deps = deps;
  }

  /** Adds a running build, until the returned value is disposed of. */
  enter(): Disposable {
    this.#builds += 1;
    return { [Symbol.dispose]: () => this.#leave() };
  }

  /** Reports lost blobs to a cache, until the returned value is disposed of. */
  tell(user: BlobUser): Disposable {
    this.#users.add(user);
    return { [Symbol.dispose]: () => void this.#users.delete(user) };
  }

  /** Handles an error. If it says that a record cannot be read, the record's blob counts as lost for every result. */
  note(error: unknown): void {
    if (!isVarveError(error)) return;
    const record = error.details.record;
    const blob = typeof record === "string" ? this.#deps.records.get(record)?.blob : undefined;
    if (blob === undefined) return;
    if (!this.#isHere(blob)) this.#miss(blob, error);
    else if (error.code === "corrupt") this.#wrong.add(nameOf(blob));
    for (const user of this.#users) {
      if (blob.sources.includes(user.source)) user.dropBlob(blob.digest, error);
      if (this.#isDead(user.source)) user.dropAll();
    }
  }

  /** Returns true if a record needs a lost blob. */
  breaks(id: RecordId): boolean {
    if (this.#missing.size === 0 && this.#wrong.size === 0) return false;
    return this.#deps.records.layers(id).some(({ blob }) => blob !== undefined && this.#isLost(blob));
  }

  #miss({ digest, sources }: BlobForm, { code }: VarveError): void {
    this.#missing.set(digest, new Set([...(this.#missing.get(digest) ?? []), ...sources]));
    if (code === "not-found" || code === "corrupt" || code === "storage") return;
    for (const source of sources) {
      const failures = this.#failures.get(source) ?? new Set();
      this.#failures.set(source, failures.add(digest));
    }
  }

  #isLost(blob: BlobForm): boolean {
    if (this.#wrong.has(nameOf(blob))) return true;
    const { digest, sources } = blob;
    const missing = this.#missing.get(digest);
    return (
      sources.length > 0 &&
      sources.every((source) => missing?.has(source) === true || this.#isDead(source)) &&
      !this.#isHere(blob)
    );
  }

  #isDead(source: string): boolean {
    return (this.#failures.get(source)?.size ?? 0) >= FAILURES;
  }

  #isHere({ digest }: BlobForm): boolean {
    return this.#deps.content.info(digest) !== undefined;
  }

  #leave(): void {
    this.#builds -= 1;
    if (this.#builds > 0) return;
    this.#missing.clear();
    this.#wrong.clear();
    this.#failures.clear();
  }
}

function nameOf({ digest, diffId, size }: BlobForm): string {
  return `${digest} ${diffId} ${size}`;
}
