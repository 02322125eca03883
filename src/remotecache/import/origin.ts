import type { Descriptor } from "../../core/index.ts";

/** A place from which a cache document and its blobs can be read. */
export interface CacheOrigin {
  /** Shown to users. */
  readonly name: string;
  /** The value in `RemoteLayer.sources` of its layers: `host/repository`, or `layout:` and an absolute path. */
  readonly source: string;
  /** Reads the document that the reference or tag refers to. Throws `not-found` if there is none. */
  top(signal?: AbortSignal): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }>;
  /** Reads and verifies a config or a manifest. Throws `limit-exceeded` for more than `limit` bytes. */
  blob(descriptor: Descriptor, limit: number, signal?: AbortSignal): Promise<Uint8Array>;
}
