import { constants, createGunzip, createZstdDecompress, gunzipSync } from "node:zlib";
import { VarveError, toVarveError } from "../../core/index.ts";
import { type Bytes, limited, type Named } from "../bytes.ts";
import { type CompressionFormat, detectCompression, MAGIC_LENGTH, peek } from "./detect.ts";
import { gunzipMembers } from "./gunzip.ts";
import { decompressWithTool } from "./tool.ts";
import { type Fed, through, type TransformError } from "./transform.ts";

export interface DecompressOptions extends Named {
  /** "detect" goes by the magic number. */
  readonly format: CompressionFormat | "detect";
  /** The most bytes that may come out; `limit-exceeded` past it. */
  readonly limit?: number | undefined;
  /**
   * Reads as lenient readers do: what follows the compressed data is ignored (except behind xz, whose program cannot tell it
   * from damage), and the beginning of a stream is yielded before damage further on is reported. Slower for many gzip members.
   */
  readonly lenient?: boolean | undefined;
}

const CHUNK = 262_144;
/** Bytes. */
const FIRST_PIECE = 16;
/** 128 MiB: what a decoder must support without being asked to. Bounds the memory of a hostile frame. */
const ZSTD_WINDOW_LOG = 27;

/**
 * Decompresses a stream: several gzip members or zstd frames in a row are one stream, skippable frames are skipped. Throws
 * `corrupt` for a stream that is cut short, damaged or (unless `lenient`) followed by anything else, and `unsupported` if the format needs a
 * program (bzip2, xz) that is not there.
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
 * The stream in pieces that are no longer than what came before them: decoders lose what they had decompressed of the piece
 * in which they find damage, and an archive that begins well shall be known for one.
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
  // zlib stops at a zero byte between members, and says so only by what it has used.
  if (decoder.bytesWritten !== fed.bytes) {
    throw new VarveError(
      "corrupt",
      `Cannot decompress ${what}: ${fed.bytes - decoder.bytesWritten} bytes follow the gzip data`,
    );
  }
}

/**
 * Decompresses a little gzip data at once, which is much faster than a stream of it; undefined if it is not whole or would
 * give more than `most` bytes, so that a stream can tell.
 */
export function gunzipSmall(data: Uint8Array, most: number): Buffer | undefined {
  try {
    const result: unknown = gunzipSync(data, { maxOutputLength: most, info: true });
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
