import { type Digest, type VarveError, isVarveError } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { BlobForm, RecordId, Records } from "../../record/index.ts";

/** A cache that is in use and offers results whose blobs are elsewhere. */
export interface BlobUser {
  /** Where its blobs are, as records name their sources. */
  readonly source: string;
  /** The blob is not there, or not as it should be. */
  dropBlob(digest: Digest): void;
  /** Nothing can be had from there. */
  dropAll(): void;
}

export interface LostBlobDeps {
  readonly records: Records;
  readonly content: ContentStore;
}

/** Blobs that a source fails to give, for reasons that say nothing of the blob, before it is asked for no other. */
const FAILURES = 2;

/**
 * Blobs that turned out to be missing, or to be something else, where records say they are: told to the caches in use, and
 * kept in mind, so that no other result that needs one is tried. All is forgotten when no build is running: what a source
 * does not give now it may give later.
 */
export class LostBlobs {
  readonly #deps: LostBlobDeps;
  readonly #users = new Set<BlobUser>();
  /** The sources that did not give a blob. */
  readonly #missing = new Map<Digest, Set<string>>();
  /** Names of blobs that are not what their records say. */
  readonly #wrong = new Set<string>();
  readonly #failures = new Map<string, Set<Digest>>();
  #builds = 0;

  constructor(deps: LostBlobDeps) {
    this.#deps = deps;
  }

  /** A build is running until the returned value is disposed of. */
  enter(): Disposable {
    this.#builds += 1;
    return { [Symbol.dispose]: () => this.#leave() };
  }

  /** Has a cache told of losses until the returned value is disposed of. */
  tell(user: BlobUser): Disposable {
    this.#users.add(user);
    return { [Symbol.dispose]: () => void this.#users.delete(user) };
  }

  /** Takes in an error; one that says that a record cannot be read counts for the record's blob, wherever it is needed. */
  note(error: unknown): void {
    if (!isVarveError(error)) return;
    const record = error.details.record;
    const blob = typeof record === "string" ? this.#deps.records.get(record)?.blob : undefined;
    if (blob === undefined) return;
    if (!this.#isHere(blob)) this.#miss(blob, error);
    else if (error.code === "corrupt") this.#wrong.add(nameOf(blob));
    for (const user of this.#users) {
      if (blob.sources.includes(user.source)) user.dropBlob(blob.digest);
      if (this.#isDead(user.source)) user.dropAll();
    }
  }

  /** Whether a record needs a blob that is lost. */
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
