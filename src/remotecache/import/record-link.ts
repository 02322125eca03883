import type { Digest } from "../../core/index.ts";
import { type KeyLink, RECORD_OUTPUT, recordDigest } from "../../solver/index.ts";
import type { CacheNode } from "../document/graph-types.ts";

/** The digest of the record that a link of any cache leads to. */
export function recordOfLink({ digest, output }: Pick<KeyLink, "digest" | "output">): string {
  return recordDigest(digest, output);
}

/** Documents hold the digests of records, not of ops: such a link's digest is that of the record it leads to. */
export function linkInto({ digest }: CacheNode, input: number, selector: string): KeyLink {
  return { input, output: RECORD_OUTPUT, digest: digest as Digest, selector: selector as Digest | "" };
}
