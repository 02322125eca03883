import type { StreamCompression } from "../../core/index.ts";
import type { Bytes } from "../bytes.ts";
import { gzip } from "./gzip.ts";
import { compressionLevel } from "./level.ts";
import { zstd } from "./zstd.ts";

export interface CompressOptions {
  readonly type: StreamCompression;
  /** gzip 0 to 9 (6 if left out), zstd 0 to 22 (3 if left out); ignored for "uncompressed". */
  readonly level?: number | undefined;
}

/**
 * Compresses a stream. The same bytes, type and level give the same result, on any machine with the same compression
 * libraries; how the input is cut into chunks does not matter.
 */
export function compress(source: Bytes, { type, level }: CompressOptions): Bytes {
  switch (type) {
    case "uncompressed":
      return source;
    case "gzip":
      return gzip(source, compressionLevel(type, level));
    case "zstd":
      return zstd(source, compressionLevel(type, level));
  }
}
