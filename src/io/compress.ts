import { type LayerCompression, VarveError } from "../core/index.ts";
import type { Bytes } from "./bytes.ts";
import { gzip } from "./compress-gzip.ts";
import { zstd } from "./compress-zstd.ts";

export interface CompressOptions {
  readonly type: LayerCompression;
  /** gzip 0 to 9 (6 if left out), zstd 0 to 22 (3 if left out); ignored for "uncompressed". */
  readonly level?: number | undefined;
}

const LEVELS = { gzip: { most: 9, usual: 6 }, zstd: { most: 22, usual: 3 } } as const;

/** The level to use; throws `invalid-argument` for one that the format does not have. -1 stands for the usual one. */
function compressionLevel(type: "gzip" | "zstd", level: number | undefined): number {
  const { most, usual } = LEVELS[type];
  if (level === undefined || level === -1) return usual;
  if (Number.isInteger(level) && level >= 0 && level <= most) return level;
  throw new VarveError("invalid-argument", `Cannot compress with ${type} level ${level}: it goes from 0 to ${most}`);
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
