import type { KeyDigest, Selector } from "./key-digest.ts";

/** A value or a promise of it. The embedded stores are synchronous; a shared store may be asynchronous. */
export type Awaitable<T> = T | Promise<T>;

/** A reference to a result in a cache result store. */
export interface StoredResult {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** A link from the key of an input to the key of the op that uses the input. */
export interface KeyLink {
  /** Input number of the op. */
  readonly input: number;
  /** Output number of the op. */
  readonly output: number;
  /** The op's cache digest. If the output is `RECORD_OUTPUT`, the digest of the record that the link leads to. */
  readonly digest: KeyDigest;
  /** Empty: no selector. */
  readonly selector: Selector | "";
}

/** One change of a cache key store. */
export type KeyChange =
  | { readonly kind: "link"; readonly from: string; readonly link: KeyLink; readonly to: string }
  | { readonly kind: "result"; readonly key: string; readonly result: StoredResult };

/**
 * Stores cache keys, the links between them, and which results they have. It does not know what a result is.
 *
 * The id of a root key is its record digest (see `recordDigest`). The writer chooses any other id; its meaning is defined
 * by its links alone. A key exists as long as it has a result, an incoming link or an outgoing link.
 *
 * Contract suite: `testing/contracts/cache-key-store.ts`.
 */
export interface CacheKeyStore {
  exists(key: string): Awaitable<boolean>;
  /** Yields every key, in no particular order. */
  walk(): AsyncIterable<string> | Iterable<string>;
  /** Returns the results of a key, newest first. */
  results(key: string): Awaitable<readonly StoredResult[]>;
  result(key: string, result: string): Awaitable<StoredResult | undefined>;
  /** Returns the keys that `link` leads to from `key`. */
  links(key: string, link: KeyLink): Awaitable<readonly string[]>;
  hasLink(from: string, link: KeyLink, to: string): Awaitable<boolean>;
  /** Returns the outgoing links of `key`, of every op. */
  outgoing(key: string): Awaitable<readonly { readonly to: string; readonly link: KeyLink }[]>;
  /** Returns the incoming links of `key`. */
  backlinks(key: string): Awaitable<readonly { readonly from: string; readonly link: KeyLink }[]>;
  /** True if any key is one of an op's output. Absent: the store does not know. */
  hasOp?(digest: KeyDigest, output: number): Awaitable<boolean>;
  /** Returns the keys that have a result. */
  keysOfResult(result: string): Awaitable<readonly string[]>;
  /** Applies all changes or none. Existing links and results stay; a result that is written again gets the new time. */
  write(changes: readonly KeyChange[]): Awaitable<void>;
  /** Removes a result from every key, then every key that has neither results nor outgoing links, and so on upwards. */
  release(result: string): Awaitable<void>;
}

/** A loaded result with the time it was created. */
export interface LoadedResult<R> {
  readonly result: R;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What loading a result gets besides the result's id. */
export interface ResultContext {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Stores results by id and loads them again.
 *
 * Contract suite: `testing/contracts/cache-result-store.ts`.
 */
export interface CacheResultStore<R> {
  /** Stores a result. Returns undefined if this result cannot be stored. */
  save(result: R, createdAt: number): Awaitable<StoredResult | undefined>;
  /**
   * Loads a result. Throws if the result is not available; the caller then releases its id. Loading may be lazy: see
   * `SolverOptions.unreadable`.
   */
  load(result: StoredResult, context: ResultContext): Awaitable<R>;
  /** True if the result can probably be loaded. */
  exists(result: string): Awaitable<boolean>;
  /**
   * Loads a result, and the results of the key's ancestors that are available at no extra cost (the lower layers of an
   * imported result). Returns them by key; the map includes `key` itself.
   */
  loadWithParents?(
    key: string,
    result: StoredResult,
    context: ResultContext,
  ): Awaitable<ReadonlyMap<string, LoadedResult<R>>>;
}
