import type { ContentStore, VerifiedBlob } from "../../content/index.ts";
import type { Digest } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import type { LayerMember, MemberCache } from "../../layer/index.ts";
import type { Database } from "../../state/index.ts";

export interface MemberDeps {
  readonly state: Database;
  readonly content: ContentStore;
}

interface Place {
  readonly blob: Digest;
  readonly position: number;
  readonly size: number;
}

/** Blobs of fewer members are compressed faster than members are looked up. */
const LEAST_MEMBERS = 3;

/**
 * The gzip members of blobs that were made here, by what they contain. A new layer that differs little from an earlier one gets most
 * of its members from there. Dispose of it to close the blobs.
 */
export class KnownMembers implements MemberCache, AsyncDisposable {
  readonly #deps: MemberDeps;
  readonly #signal: AbortSignal | undefined;
  readonly #opened = new Map<Digest, Promise<VerifiedBlob | undefined>>();

  constructor(deps: MemberDeps, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.#signal = signal;
  }

  async find(key: string): Promise<Buffer | undefined> {
    const sql = "SELECT blob, position, size FROM blob_member WHERE key = ?";
    const place = this.#deps.state.get<Place>(sql, key);
    if (place === undefined) return undefined;
    const blob = await this.#open(place.blob);
    if (blob === undefined) return undefined;
    return await collect(blob.open(place.position, place.size), place.size, { what: `blob ${place.blob}` });
  }

  /** Keeps the members of a blob that is in the store. Forgets those of blobs that are not any more. */
  keep(blob: Digest, members: readonly LayerMember[]): void {
    if (members.length < LEAST_MEMBERS) return;
    const { state, content } = this.#deps;
    state.transaction(() => {
      for (const known of state.all<{ blob: Digest }>("SELECT DISTINCT blob FROM blob_member"))
        if (content.info(known.blob) === undefined) state.run("DELETE FROM blob_member WHERE blob = ?", known.blob);
      for (const { key, offset, size } of members)
        state.note("INSERT OR REPLACE INTO blob_member VALUES (?, ?, ?, ?)", key, blob, offset, size);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#opened.values()) await (await opening)?.[Symbol.asyncDispose]();
  }

  /** Verifies a blob before its first member is used: a damaged member must not get into another blob. */
  #open(digest: Digest): Promise<VerifiedBlob | undefined> {
    const known = this.#opened.get(digest);
    if (known !== undefined) return known;
    const opening = this.#deps.content.openVerified(digest, { signal: this.#signal }).catch((): undefined => undefined);
    this.#opened.set(digest, opening);
    return opening;
  }
}
