import { type Digest, digestOf } from "../../core/index.ts";
import type { KeyDigest, Selector, SessionDigest } from "./key-digest.ts";

/** The output number of a content key. */
export const CONTENT_OUTPUT = -1;

/**
 * The output number of a link or key whose digest is already a record digest. BuildKit's cache documents contain record
 * digests, not op digests.
 */
export const RECORD_OUTPUT = -2;

/**
 * Returns the digest that identifies a record of an op's output in caches: `sha256("<op digest>@<output>")`, with the output
 * as decimal ASCII, as in BuildKit. A `random:` digest is not hashed, so that it stays recognisable as a session key.
 */
export function recordDigest(digest: KeyDigest, output: number): KeyDigest {
  if (output === RECORD_OUTPUT) return digest;
  return isSessionDigest(digest) ? `${digest}@${output}` : digestOf(`${digest}@${output}`);
}

function isSessionDigest(digest: KeyDigest): digest is SessionDigest {
  return digest.startsWith("random:");
}

/** One of the keys that identify an input of an op. */
export interface KeyAlternative {
  readonly key: CacheKey;
  /** Empty: no selector. Content keys have none. */
  readonly selector: Selector | "";
  /** True: it is saved with a record, but does not say which record it is, because the same key had results of other content. */
  readonly isWeak?: boolean | undefined;
}

/**
 * The cache key of one output of an op: a node in a graph of keys. For each input it has a list of alternative keys, each of
 * which identifies that input. A cache knows the key by the ids under which it was found or saved; a root key (one without
 * inputs) has its record digest as id.
 *
 * A key grows during a solve: alternatives and ids are added, never removed.
 */
export class CacheKey {
  readonly digest: KeyDigest;
  readonly output: number;
  /** See `recordDigest`. */
  readonly record: string;
  /** The vertex that the key was computed for; undefined for a content key. */
  readonly vertex: Digest | undefined;
  /** False: cache exports leave out the key's results. */
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

  /** True for a session key, which is never stored; see `KeyDigest`. */
  get isSession(): boolean {
    return isSessionDigest(this.digest);
  }

  /** The alternatives of each input. */
  get inputs(): readonly (readonly KeyAlternative[])[] {
    return this.#inputs;
  }

  /** Adds an alternative. Ignores one that is already present, and the key itself. */
  addAlternative(input: number, alternative: KeyAlternative): void {
    const list = this.#inputs[input];
    if (list === undefined || alternative.key === this) return;
    const known = list.findIndex(
      ({ key, selector }) => selector === alternative.selector && key.equals(alternative.key),
    );
    if (known < 0) list.push(alternative);
    else if (alternative.isWeak === true) list[known] = alternative;
  }

  /** Returns the key's ids in the cache with that id. */
  idsIn(cache: string): readonly string[] {
    if (this.isRoot) return this.isSession ? [] : [this.record];
    return [...(this.#ids.get(cache) ?? [])];
  }

  /** True if the key was found or saved in the cache with that id. */
  isFoundIn(cache: string): boolean {
    return this.#ids.has(cache);
  }

  /** True if the key was found or saved in any cache. */
  get isFound(): boolean {
    return this.#ids.size > 0;
  }

  /** Yields where the key was found or saved: pairs of a cache's id and the key's id there. */
  *locations(): Iterable<readonly [cache: string, id: string]> {
    for (const [cache, ids] of this.#ids) for (const id of ids) yield [cache, id];
  }

  /** Records that a cache knows the key by an id. Returns false if that was already recorded. */
  addLocation(cache: string, id: string): boolean {
    const ids = this.#ids.get(cache) ?? new Set();
    if (ids.has(id)) return false;
    this.#ids.set(cache, ids.add(id));
    return true;
  }

  /** Returns strings that identify the key: two keys that share one are the same key. Empty if no cache has the key. */
  identities(): readonly string[] {
    if (this.isRoot) return [this.record];
    return [...this.locations()].map(([cache, id]) => `${cache} ${id}`);
  }

  /** True for the same object, and for two root keys with the same record digest. */
  equals(other: CacheKey): boolean {
    return this === other || (this.isRoot && other.isRoot && this.record === other.record);
  }
}

/** Returns the content key of an input: its digest says what the op reads, regardless of which op made it. */
export function contentKey(digest: Digest): CacheKey {
  return new CacheKey(digest, CONTENT_OUTPUT);
}
