import { constants, createGunzip, createZstdDecompress, gunzipSync } from "node:zlib";
import { VarveError, toVarveError } from "../../core/index.ts";
import { type Bytes, type Named, limited } from "../bytes.ts";
import { type CompressionFormat, MAGIC_LENGTH, detectCompression, peek } from "./detect.ts";
import { gunzipMembers } from "./gunzip.ts";
import { decompressWithTool } from "./tool.ts";
import { type Fed, type TransformError, through } from "./transform.ts";

export interface DecompressOptions extends Named {
  /** "detect" chooses by the magic number. */
  readonly format: CompressionFormat | "detect";
  /** Maximum number of decompressed bytes; more throw `limit-exceeded`. */
  readonly limit?: number | undefined;
  /**
   * Ignores bytes after the compressed data (except for xz, whose program cannot distinguish them from damage), and yields everything
   * before a damaged place before it throws. Slower for many gzip members.
   */
  readonly lenient?: boolean | undefined;
}

const CHUNK = 262_144;
/** Bytes. */
const FIRST_PIECE = 16;
/** 128 MiB: the window that every zstd decoder supports by default. Bounds the memory of a hostile frame. */
const ZSTD_WINDOW_LOG = 27;

/**
 * Decompresses a stream: several gzip members or zstd frames in a row are one stream, skippable frames are skipped.
 *
 * @throws {VarveError} `corrupt` for a stream that is truncated, damaged or (unless `lenient`) followed by other bytes; `unsupported` if the
 *   program for the format (bzip2, xz) is not installed; `limit-exceeded` past the limit.
 */
export async function* decompress(source: Bytes, options: DecompressOptions): AsyncGenerator<Uint8Array> {
  const { limit, what } = options;
  const decoded = decode(source, options);
  yield* limit === undefined ? decoded : limited(decoded, limit, { what });
}

async function* decode(source: Bytes, options: DecompressOptions): AsyncGenerator<Uint8Array> {
  const { format, what, lenient = false } = options;
  switch (format) {
    case "uncompressed":
      yield* source;
      return;
    case "gzip":
      yield* lenient ? gunzipMembers(inPieces(source), { what }) : gunzip(source, what);
      return;
    case "zstd":
      yield* unzstd(lenient ? inPieces(source) : source, { what, lenient });
      return;
    case "bzip2":
    case "xz":
      yield* decompressWithTool(source, format, { what, lenient });
      return;
    case "detect": {
      const { head, bytes } = await peek(source, MAGIC_LENGTH);
      yield* decode(bytes, { ...options, format: detectCompression(head) });
    }
  }
}

/**
 * Cuts the stream into pieces that are no longer than everything before them. Decoders lose what they had decompressed of the piece with the
 * damage; the start of a damaged archive must still be readable.
 */
async function* inPieces(source: Bytes): AsyncGenerator<Uint8Array> {
  let size = FIRST_PIECE;
  for await (const chunk of source)
    for (let at = 0; at < chunk.byteLength;) {
      const piece = chunk.subarray(at, at + size);
      at += piece.byteLength;
      size += piece.byteLength;
      yield piece;
    }
}

function corrupt(what: string): TransformError {
  return (error) => {
    const known = toVarveError(error, `decompress ${what}`, "corrupt");
    return known.code === "corrupt" ? new VarveError("corrupt", known.message, { cause: error }) : known;
  };
}

async function* gunzip(source: Bytes, what: string): AsyncGenerator<Uint8Array> {
  const fed: Fed = { bytes: 0 };
  const decoder = createGunzip({ chunkSize: CHUNK });
  yield* through(source, { input: decoder, output: decoder }, corrupt(what), fed);
  // zlib stops at a zero byte between members without an error: only `bytesWritten` shows it.
  if (decoder.bytesWritten !== fed.bytes) {
    throw new VarveError(
      "corrupt",
      `Cannot decompress ${what}: ${fed.bytes - decoder.bytesWritten} bytes follow the gzip data`,
    );
  }
}

/**
 * Decompresses a small amount of gzip data synchronously, which is much faster than a stream. Returns undefined if the data is incomplete or
 * has more than `most` bytes; read it as a stream to get the error.
 */
export function gunzipSmall(data: Uint8Array, most: number): Buffer | undefined {
  try {
    const result: unknown = gunzipSync(data, { maxOutputLength: most, info: true });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node's types lack what `info` makes of the result
    const { buffer, engine } = result as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    return engine.bytesWritten === data.byteLength ? buffer : undefined;
  } catch {
    return undefined;
  }
}

async function* unzstd(
  source: Bytes,
  { what, lenient }: Named & { readonly lenient: boolean },
): AsyncGenerator<Uint8Array> {
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG };
  const decoder = createZstdDecompress({ chunkSize: CHUNK, params, rejectGarbageAfterEnd: !lenient });
  yield* through(source, { input: decoder, output: decoder }, corrupt(what));
}
