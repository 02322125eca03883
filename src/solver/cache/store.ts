import type { KeyDigest, Selector } from "./key-digest.ts";

/** A value now or later: the embedded stores are synchronous, a shared one need not be. */
export type Awaitable<T> = T | Promise<T>;

/** Names a result inside a cache result store. */
export interface StoredResult {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What leads from an input's key to the key of the op that takes it. */
export interface KeyLink {
  /** Which input of the op. */
  readonly input: number;
  /** Which output of the op. */
  readonly output: number;
  /** The op's cache digest; where the output is `RECORD_OUTPUT`, the digest of the record that the link leads to. */
  readonly digest: KeyDigest;
  /** Empty: no selector. */
  readonly selector: Selector | "";
}

export type KeyChange =
  | { readonly kind: "link"; readonly from: string; readonly link: KeyLink; readonly to: string }
  | { readonly kind: "result"; readonly key: string; readonly result: StoredResult };

/**
 * Keys, the links between them and the results they have. Knows nothing of what a result is.
 *
 * A root key's id is its record digest, `H(op digest "@" output)`; any other id is chosen by the writer, and means only
 * what its links say. A key exists while it has a result or a link leads to or from it.
 */
export interface CacheKeyStore {
  exists(key: string): Awaitable<boolean>;
  /** Every key, in no particular order. */
  walk(): AsyncIterable<string> | Iterable<string>;
  /** Newest first. */
  results(key: string): Awaitable<readonly StoredResult[]>;
  result(key: string, result: string): Awaitable<StoredResult | undefined>;
  /** Keys that `link` leads to from `key`. */
  links(key: string, link: KeyLink): Awaitable<readonly string[]>;
  hasLink(from: string, link: KeyLink, to: string): Awaitable<boolean>;
  /** Links out of `key`, whatever the op. */
  outgoing(key: string): Awaitable<readonly { readonly to: string; readonly link: KeyLink }[]>;
  /** Links into `key`. */
  backlinks(key: string): Awaitable<readonly { readonly from: string; readonly link: KeyLink }[]>;
  keysOfResult(result: string): Awaitable<readonly string[]>;
  /** Applies all changes or none. What is there already is left as it is; a result's time is the one given last. */
  write(changes: readonly KeyChange[]): Awaitable<void>;
  /** Forgets a result under every key, then every key that leads nowhere any more, upwards. */
  release(result: string): Awaitable<void>;
}

/** A result as it comes out of a store, with the time it was made. */
export interface LoadedResult<R> {
  readonly result: R;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface ResultContext {
  readonly signal?: AbortSignal | undefined;
}

/** Turns results into something that can be remembered, and back. */
export interface CacheResultStore<R> {
  /** Undefined: this result cannot be kept. */
  save(result: R, createdAt: number): Awaitable<StoredResult | undefined>;
  /** Throws if the result cannot be had; its id is then released. May be lazy: see `SolverOptions.unreadable`. */
  load(result: StoredResult, context: ResultContext): Awaitable<R>;
  exists(result: string): Awaitable<boolean>;
  /**
   * Loads a result and every result below it in `key`'s history that comes along for free (the lower layers of an imported
   * one), by key. The map holds `key` itself.
   */
  loadWithParents?(
    key: string,
    result: StoredResult,
    context: ResultContext,
  ): Awaitable<ReadonlyMap<string, LoadedResult<R>>>;
}
