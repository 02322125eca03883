import type { Digest } from "../../core/index.ts";
import { type KeyLink, RECORD_OUTPUT, recordDigest } from "../../solver/index.ts";
import type { CacheNode } from "../document/graph-types.ts";

/** Returns the digest of the record that a link leads to. */
export function recordOfLink({ digest, output }: Pick<KeyLink, "digest" | "output">): string {
  return recordDigest(digest, output);
}

/** Returns the link to a record of a cache document. Documents contain digests of records, not of ops. */
export function linkInto({ digest }: CacheNode, input: number, selector: string): KeyLink {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documents may contain any string; it is only compared
  return { input, output: RECORD_OUTPUT, digest: digest as Digest, selector: selector as Digest | "" };
}
