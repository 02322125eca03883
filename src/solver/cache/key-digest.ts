import type { Digest } from "../../core/index.ts";

/**
 * The digest of a session key, for something that only the running session knows (a local directory before it was read). A
 * session key matches within one process and is never stored.
 */
export type SessionDigest = `random:${string}`;

/** The digest of an op's cache key. */
export type KeyDigest = Digest | SessionDigest;

/** A digest that identifies the part of an input that an op reads. */
export type Selector = Digest;
