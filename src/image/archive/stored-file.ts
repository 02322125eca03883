import type { Digest } from "../../core/index.ts";

/** A file of an archive that was stored as a blob. */
export interface StoredFile {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}
