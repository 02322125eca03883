import type { ContextTree } from "../contenthash/index.ts";
import type { Listing } from "../filesync/index.ts";
import type { ContextCopy, RecordId } from "../record/index.ts";

/** What is known of a copy of a client's context. */
export interface RememberedContext {
  /** What the client had listed. */
  readonly listing: Listing;
  /** The copy, with the digests of its entries that were computed. */
  readonly tree: ContextTree;
}

interface Kept extends RememberedContext {
  readonly path: string;
  readonly uses: number;
  readonly timer: NodeJS.Timeout;
}

/** Entries of all contexts that are remembered: some 40 MB at most. */
const MAX_ENTRIES = 100_000;
/** Milliseconds after which an unused context is forgotten. */
const LIFETIME = 600_000;

/**
 * Remembers what this process has received into copies of contexts, so that an unchanged context costs no look at the copy. What it
 * knows of a copy holds as long as nobody else has acquired that copy.
 *
 * @example
 * const known = memory.recall(copy);
 * const received = await receiveTree(stream, copy.path, { unchangedSince: known?.listing });
 */
export class ContextMemory {
  /** The least recently used first. */
  readonly #kept = new Map<RecordId, Kept>();
  readonly #limit: number;

  /** `entries`: how many packets of listings are kept in all. */
  constructor({ entries = MAX_ENTRIES }: { readonly entries?: number } = {}) {
    this.#limit = entries;
  }

  /** Returns what the last user of a copy knew of it, if that was this process. */
  recall({ id, path, uses }: ContextCopy): RememberedContext | undefined {
    const known = this.#kept.get(id);
    return known?.uses === uses - 1 && known.path === path ? known : undefined;
  }

  /** Remembers what is known of a copy that was acquired. */
  remember({ id, path, uses }: ContextCopy, { listing, tree }: RememberedContext): void {
    this.forget(id);
    const timer = setTimeout(() => this.forget(id), LIFETIME).unref();
    this.#kept.set(id, { path, uses, listing, tree, timer });
    let entries = 0;
    for (const [each, known] of [...this.#kept].reverse())
      if ((entries += known.listing.length) > this.#limit) this.forget(each);
  }

  forget(id: RecordId): void {
    clearTimeout(this.#kept.get(id)?.timer);
    this.#kept.delete(id);
  }
}
