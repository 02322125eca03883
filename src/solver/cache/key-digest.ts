import type { Digest } from "../../core/index.ts";

/**
 * The digest of an op's cache key. `random:…` stands for something only the running session can know (a local directory
 * before it was read): such a key matches within one process and is never stored.
 */
export type KeyDigest = Digest | `random:${string}`;

/** The digest that limits which part of an input an op looks at. */
export type Selector = Digest;
