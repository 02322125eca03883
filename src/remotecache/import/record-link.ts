import type { Digest } from "../../core/index.ts";
import { type KeyLink, recordDigest } from "../../solver/index.ts";
import type { CacheNode } from "../document/graph-types.ts";

/**
 * The output of a link out of an imported cache. Documents hold the digests of records, not of ops: such a link's digest is
 * that of the record it leads to.
 */
const OF_RECORD = -2;

/** The digest of the record that a link of any cache leads to. */
export function recordOfLink({ digest, output }: Pick<KeyLink, "digest" | "output">): string {
  return output === OF_RECORD ? digest : recordDigest(digest, output);
}

export function linkInto({ digest }: CacheNode, input: number, selector: string): KeyLink {
  return { input, output: OF_RECORD, digest: digest as Digest, selector: selector as Digest | "" };
}
