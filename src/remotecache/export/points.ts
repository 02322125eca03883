import { isDigest } from "../../core/index.ts";
import { type CacheKey, type CacheManager, CONTENT_OUTPUT, type KeyLink } from "../../solver/index.ts";
import { recordOfLink } from "../import/record-link.ts";

/** A key on the way into a document: of a solve, or known to a cache only. */
export interface Point {
  /** The record's digest. */
  readonly digest: string;
  /** For each input what may stand for it. */
  readonly inputs: readonly PointLink[][];
  /** Set for a key of a solve, whose results may be exported; what only a cache knows leads there, and no more. */
  readonly key?: CacheKey | undefined;
  /** Of a root: digests of other roots that stand for the same result. */
  readonly equivalents: readonly string[];
}

export interface PointLink {
  readonly selector: string;
  readonly point: Point;
}

/** Keys taken from caches besides those of the solve, over a whole export: past it a document leaves other ways out. */
const MAX_STORED = 5_000;
/** Roots that stand for the same result. */
const MAX_EQUIVALENTS = 16;

interface Draft extends Point {
  digest: string;
  readonly inputs: PointLink[][];
  equivalents: readonly string[];
}

/**
 * Finds everything that leads to the keys of a solve: their own alternatives, and further ones in the caches in which they
 * were found or saved. Keys of a session are left out. The points may form loops.
 */
export class Explorer<R> {
  readonly #caches: ReadonlyMap<string, CacheManager<R>>;
  readonly #points = new Map<CacheKey | string, Draft>();
  readonly #open: (() => Promise<void>)[] = [];
  #budget = MAX_STORED;

  constructor(caches: ReadonlyMap<string, CacheManager<R>>) {
    this.#caches = caches;
  }

  /** The points of the keys, explored to their ends. */
  async explore(keys: readonly CacheKey[]): Promise<Point[]> {
    const tops = keys.flatMap((key) => this.#ofKey(key) ?? []);
    // Grows while it is walked.
    for (const next of this.#open) await next();
    return [...new Set(tops)];
  }

  #ofKey(key: CacheKey): Draft | undefined {
    if (key.isSession) return undefined;
    const known = this.#points.get(key);
    if (known !== undefined) return known;
    const point: Draft = { digest: key.record, inputs: key.inputs.map(() => []), key, equivalents: [] };
    this.#points.set(key, point);
    this.#open.push(() => (key.isRoot ? this.#expandRoot(point, key) : this.#expandKey(point, key)));
    return point;
  }

  async #expandKey(point: Draft, key: CacheKey): Promise<void> {
    for (const [input, alternatives] of key.inputs.entries())
      for (const { key: from, selector } of alternatives) this.#link(point, input, selector, this.#ofKey(from));
    for (const cache of this.#caches.values())
      for (const id of key.idsIn(cache.id)) await this.#expandStored(point, cache, id);
  }

  /** Content keys stand for what an op reads, whatever made it: a result they would share is not theirs. */
  async #expandRoot(point: Draft, key: CacheKey): Promise<void> {
    if (key.output === CONTENT_OUTPUT) return;
    const found = new Set<string>();
    for (const { keys } of this.#caches.values())
      for (const result of await keys.results(key.record))
        for (const id of await keys.keysOfResult(result.id)) if (isDigest(id) && id !== key.record) found.add(id);
    point.equivalents = [...found].sort().slice(0, MAX_EQUIVALENTS);
  }

  #ofStored(cache: CacheManager<R>, id: string): Draft | undefined {
    const name = `${cache.id} ${id}`;
    const known = this.#points.get(name);
    if (known !== undefined) return known;
    if (this.#budget <= 0) return undefined;
    this.#budget -= 1;
    const point: Draft = { digest: id, inputs: [], equivalents: [] };
    this.#points.set(name, point);
    this.#open.push(() => this.#expandStored(point, cache, id));
    return point;
  }

  /** Takes what leads to an id of a cache. */
  async #expandStored(point: Draft, cache: CacheManager<R>, id: string): Promise<void> {
    const backlinks = [...(await cache.keys.backlinks(id))].sort((a, b) => compare(nameOf(a), nameOf(b)));
    const [first] = backlinks;
    if (first === undefined) return;
    const digest = recordOfLink(first.link);
    if (point.key === undefined) {
      point.digest = digest;
      const inputs = 1 + Math.max(...backlinks.map(({ link }) => link.input));
      while (point.inputs.length < inputs) point.inputs.push([]);
    } else if (point.digest !== digest) return;
    for (const { from, link } of backlinks) this.#link(point, link.input, link.selector, this.#ofStored(cache, from));
  }

  #link(point: Draft, input: number, selector: string, from: Draft | undefined): void {
    if (from !== undefined && from !== point) point.inputs[input]?.push({ selector, point: from });
  }
}

function nameOf({ from, link }: { readonly from: string; readonly link: KeyLink }): string {
  return `${link.input} ${link.selector} ${link.digest} ${link.output} ${from}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
