import type { Digest } from "../core/index.ts";

/** Returns the digest of a record in a cache document as that of a key. Documents may have any text there; keys only compare it. */
export function keyDigest(text: string): Digest {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- keys compare digests as text and parse none
  return text as Digest;
}

/** Returns the selector of a link in a cache document as that of a key; empty if there is none. */
export function keySelector(text: string): Digest | "" {
  return text === "" ? "" : keyDigest(text);
}
