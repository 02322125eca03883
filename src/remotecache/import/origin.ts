import type { Descriptor } from "../../core/index.ts";

/** Where a cache document and its blobs can be read. */
export interface CacheOrigin {
  /** For people. */
  readonly name: string;
  /** What layers from here carry in `sources`: `host/repository`, or `layout:` and an absolute path. */
  readonly source: string;
  /** What the reference or the tag stands for now; `not-found` if it stands for nothing. */
  top(signal?: AbortSignal): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }>;
  /** A small document, a config or a manifest, whole and verified. Throws `limit-exceeded` past `limit` bytes. */
  blob(descriptor: Descriptor, limit: number, signal?: AbortSignal): Promise<Uint8Array>;
}
