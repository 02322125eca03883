import type { Bytes } from "../../io/index.ts";
import type { ByteString } from "../../linux/index.ts";
import type { Stat } from "../wire/stat.ts";

/** A tree to send. */
export interface Tree {
  /** Returns all entries but the root, in the order of a transfer: see `comparePaths`. */
  entries(): AsyncIterable<Stat> | Iterable<Stat>;
  /** Returns the content of a regular file that was listed. Undefined if it cannot be read any more. */
  open(path: ByteString): Bytes | undefined;
}
