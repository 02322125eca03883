import type { Digest } from "../../core/index.ts";

/** A file of an archive as a blob of the store. */
export interface StoredFile {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}
