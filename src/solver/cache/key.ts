import { type Digest, digestOf } from "../../core/index.ts";
import type { KeyDigest, Selector } from "./key-digest.ts";

/** The output index of a content key. */
export const CONTENT_OUTPUT = -1;

/**
 * The output of a link, or of a key, whose digest is that of the record itself: cache documents hold the digests of records,
 * not of ops.
 */
export const RECORD_OUTPUT = -2;

const RANDOM = "random:";

/**
 * The digest a record of an op's output goes by in caches: `H(op digest "@" output)`, in decimal ASCII, as BuildKit has it.
 * A `random:` digest stays one, so that nobody takes it for something that can be stored.
 */
export function recordDigest(digest: KeyDigest, output: number): string {
  if (output === RECORD_OUTPUT) return digest;
  if (digest.startsWith(RANDOM)) return `${digest}@${output}`;
  return digestOf(`${digest}@${output}`);
}

export interface KeyAlternative {
  readonly key: CacheKey;
  /** Empty: no selector; always so for content keys. */
  readonly selector: Selector | "";
}

/**
 * The cache key of one output of an op: a node in a graph of keys. Per input it has alternatives, any of which identifies
 * that input. It is known in a cache by the ids of the records it was found or saved as; a root key by its record digest.
 *
 * Grows while a solve learns more: alternatives and ids are added, never removed.
 */
export class CacheKey {
  readonly digest: KeyDigest;
  readonly output: number;
  /** `H(digest "@" output)`. */
  readonly record: string;
  /** The vertex it was computed for; undefined for a content key. */
  readonly vertex: Digest | undefined;
  /** False: an export leaves out its results. */
  readonly exportResult: boolean;
  readonly #inputs: readonly KeyAlternative[][];
  readonly #ids = new Map<string, Set<string>>();

  constructor(
    digest: KeyDigest,
    output: number,
    {
      inputs = 0,
      vertex,
      exportResult = true,
    }: { inputs?: number | undefined; vertex?: Digest | undefined; exportResult?: boolean | undefined } = {},
  ) {
    this.digest = digest;
    this.output = output;
    this.record = recordDigest(digest, output);
    this.vertex = vertex;
    this.exportResult = exportResult;
    this.#inputs = Array.from({ length: inputs }, () => []);
  }

  get isRoot(): boolean {
    return this.#inputs.length === 0;
  }

  /** Means something to this process only. */
  get isSession(): boolean {
    return this.digest.startsWith(RANDOM);
  }

  /** Alternatives by input. */
  get inputs(): readonly (readonly KeyAlternative[])[] {
    return this.#inputs;
  }

  /** Adds an alternative; one that is there already, and the key itself, are left out. */
  addAlternative(input: number, alternative: KeyAlternative): void {
    const list = this.#inputs[input];
    if (list === undefined || alternative.key === this) return;
    const known = list.some(({ key, selector }) => selector === alternative.selector && key.equals(alternative.key));
    if (!known) list.push(alternative);
  }

  /** Ids in the cache of that name. */
  idsIn(cache: string): readonly string[] {
    if (this.isRoot) return this.isSession ? [] : [this.record];
    return [...(this.#ids.get(cache) ?? [])];
  }

  isFoundIn(cache: string): boolean {
    return this.#ids.has(cache);
  }

  /** True if some cache has it. */
  get isFound(): boolean {
    return this.#ids.size > 0;
  }

  /** Where it was found or saved: pairs of cache name and id. */
  *locations(): Iterable<readonly [cache: string, id: string]> {
    for (const [cache, ids] of this.#ids) for (const id of ids) yield [cache, id];
  }

  /** Returns false if that was known. */
  locate(cache: string, id: string): boolean {
    const ids = this.#ids.get(cache) ?? new Set();
    if (ids.has(id)) return false;
    this.#ids.set(cache, ids.add(id));
    return true;
  }

  /** Texts such that two keys with one in common are the same key. A key nobody has found or saved has none. */
  identities(): readonly string[] {
    if (this.isRoot) return [this.record];
    return [...this.locations()].map(([cache, id]) => `${cache} ${id}`);
  }

  equals(other: CacheKey): boolean {
    return this === other || (this.isRoot && other.isRoot && this.record === other.record);
  }
}

/** The key of what an op reads of an input, whatever made it. */
export function contentKey(digest: Digest): CacheKey {
  return new CacheKey(digest, CONTENT_OUTPUT);
}
