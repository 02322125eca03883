import { isDigest } from "../../core/index.ts";
import { type CacheKey, type CacheManager, CONTENT_OUTPUT, type KeyLink } from "../../solver/index.ts";
import { recordOfLink } from "../import/record-link.ts";

/** A key to export: a key of a solve, or a key that only a cache knows. */
export interface ExportKey {
  /** The record digest. */
  readonly digest: string;
  /** The alternatives of each input. */
  readonly inputs: readonly ExportKeyLink[][];
  /** The key of the solve, whose results may be exported. Absent: only a cache knows the key; it is exported without results. */
  readonly key?: CacheKey | undefined;
  /** For a root: the digests of other roots with the same result. */
  readonly equivalents: readonly string[];
}

/** A link from the key of an input. */
export interface ExportKeyLink {
  readonly selector: string;
  readonly from: ExportKey;
}

/** Maximum number of keys that one export takes from caches, besides the keys of the solve. Further keys are left out. */
const MAX_STORED = 5_000;
/** Maximum number of equivalent roots of one root. */
const MAX_EQUIVALENTS = 16;

interface Draft extends ExportKey {
  digest: string;
  readonly inputs: ExportKeyLink[][];
  equivalents: readonly string[];
}

/**
 * Finds all keys that lead to the keys of a solve: their own alternatives, and further keys in the caches where they were found or
 * saved. Session keys are left out. The result may contain loops.
 */
export class KeyExplorer<R> {
  readonly #caches: ReadonlyMap<string, CacheManager<R>>;
  readonly #drafts = new Map<CacheKey | string, Draft>();
  /** Expansions that are still to be done. */
  readonly #open: (() => Promise<void>)[] = [];
  #budget = MAX_STORED;

  constructor(caches: ReadonlyMap<string, CacheManager<R>>) {
    this.#caches = caches;
  }

  /** Returns the keys with all their ancestors. */
  async explore(keys: readonly CacheKey[]): Promise<ExportKey[]> {
    const tops = keys.flatMap((key) => this.#ofKey(key) ?? []);
    // Each expansion may add further ones.
    for (const next of this.#open) await next();
    return [...new Set(tops)];
  }

  #ofKey(key: CacheKey): Draft | undefined {
    if (key.isSession) return undefined;
    const known = this.#drafts.get(key);
    if (known !== undefined) return known;
    const draft: Draft = { digest: key.record, inputs: key.inputs.map(() => []), key, equivalents: [] };
    this.#drafts.set(key, draft);
    this.#open.push(() => (key.isRoot ? this.#expandRoot(draft, key) : this.#expandKey(draft, key)));
    return draft;
  }

  async #expandKey(draft: Draft, key: CacheKey): Promise<void> {
    for (const [input, alternatives] of key.inputs.entries())
      for (const { key: from, selector } of alternatives) this.#link(draft, input, selector, this.#ofKey(from));
    for (const cache of this.#caches.values())
      for (const id of key.idsIn(cache.id)) await this.#expandStored(draft, cache, id);
  }

  /** Finds equivalent roots. Content keys have none, because the same content may come from different results. */
  async #expandRoot(draft: Draft, key: CacheKey): Promise<void> {
    if (key.output === CONTENT_OUTPUT) return;
    const found = new Set<string>();
    for (const { keys } of this.#caches.values())
      for (const result of await keys.results(key.record))
        for (const id of await keys.keysOfResult(result.id)) if (isDigest(id) && id !== key.record) found.add(id);
    draft.equivalents = [...found].sort().slice(0, MAX_EQUIVALENTS);
  }

  #ofStored(cache: CacheManager<R>, id: string): Draft | undefined {
    const name = `${cache.id} ${id}`;
    const known = this.#drafts.get(name);
    if (known !== undefined) return known;
    if (this.#budget <= 0) return undefined;
    this.#budget -= 1;
    const draft: Draft = { digest: id, inputs: [], equivalents: [] };
    this.#drafts.set(name, draft);
    this.#open.push(() => this.#expandStored(draft, cache, id));
    return draft;
  }

  /** Adds the links that lead to an id in a cache. */
  async #expandStored(draft: Draft, cache: CacheManager<R>, id: string): Promise<void> {
    const backlinks = [...(await cache.keys.backlinks(id))].sort((a, b) => compare(linkName(a), linkName(b)));
    const [first] = backlinks;
    if (first === undefined) return;
    const digest = recordOfLink(first.link);
    if (draft.key === undefined) {
      draft.digest = digest;
      const inputs = 1 + Math.max(...backlinks.map(({ link }) => link.input));
      while (draft.inputs.length < inputs) draft.inputs.push([]);
    } else if (draft.digest !== digest) return;
    for (const { from, link } of backlinks) this.#link(draft, link.input, link.selector, this.#ofStored(cache, from));
  }

  #link(draft: Draft, input: number, selector: string, from: Draft | undefined): void {
    if (from !== undefined && from !== draft) draft.inputs[input]?.push({ selector, from });
  }
}

function linkName({ from, link }: { readonly from: string; readonly link: KeyLink }): string {
  return `${link.input} ${link.selector} ${link.digest} ${link.output} ${from}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
