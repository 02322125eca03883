import { DigestHasher, type Digest, type LayerCompression, layerMediaType } from "../core/index.ts";
import { type Bytes, compress } from "../io/index.ts";
import { type EstargzStream, estargz } from "./estargz/write.ts";
import { type GzipStream, type LayerMember, type MemberCache, gzipLayer } from "./gzip/write.ts";

export interface CreateLayerOptions {
  readonly compression: LayerCompression;
  /** 0 to 9 for gzip and estargz, 0 to 22 for zstd. */
  readonly level?: number | undefined;
  /** Whether the media type is OCI's or Docker's. The default is "oci". */
  readonly family?: "oci" | "docker" | undefined;
  /** Compressed parts of earlier layers, which save work. Only for gzip. */
  readonly members?: MemberCache | undefined;
}

/** What is known about a new layer. The store that receives the blob computes the blob's digest and size. */
export interface CreatedLayer {
  /** Digest of the uncompressed archive, for eStargz including the table of contents. */
  readonly diffId: Digest;
  readonly mediaType: string;
  /** Annotations for the descriptor. Only eStargz has any: the digest of its table of contents, and its uncompressed size. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The parts of the blob that a `MemberCache` may return later. Only with `members`. */
  readonly members: readonly LayerMember[];
}

export interface LayerStream {
  /** The blob. Read it once, to its end. */
  readonly bytes: Bytes;
  /** Resolves when `bytes` has been read to its end. Rejects if reading fails or stops early. */
  readonly result: Promise<CreatedLayer>;
}

/**
 * Compresses an archive into the blob of a layer, and computes the layer's diffID.
 *
 * @example
 * const { bytes, result } = createLayer(diffTrees({ upper: "/tmp/tree" }), { compression: "zstd" });
 * const { digest, size } = await store.put(bytes);
 * const { diffId, mediaType } = await result;
 */
export function createLayer(tar: Bytes, options: CreateLayerOptions): LayerStream {
  const { compression, family = "oci" } = options;
  const { promise, resolve, reject } = Promise.withResolvers<CreatedLayer>();
  // The reader of `bytes` gets the error as well, so `result` may stay unused.
  promise.catch(() => undefined);
  const uncompressed = new DigestHasher();
  const blob = encode(tar, options, uncompressed);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* blob.bytes;
      const mediaType = layerMediaType(compression, family);
      const [annotations, members] = [blob.annotations(), blob.members()];
      resolve({ diffId: uncompressed.digest(), mediaType, annotations, members });
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new Error("The layer was not read to its end"));
    }
  }
  return { bytes: bytes(), result: promise };
}

type EncodedStream = GzipStream & EstargzStream;

/** Compresses the archive, and feeds `hasher` with the uncompressed bytes. */
function encode(tar: Bytes, options: CreateLayerOptions, hasher: DigestHasher): EncodedStream {
  const { compression, level, members } = options;
  const [annotations, none] = [(): Record<string, string> => ({}), (): LayerMember[] => []];
  switch (compression) {
    case "estargz":
      return { ...estargz(tar, { level, onPlain: (piece) => hasher.update(piece) }), members: none };
    case "gzip":
      return { ...gzipLayer(hashing(tar, hasher), level, members), annotations };
    default:
      return { bytes: compress(hashing(tar, hasher), { type: compression, level }), annotations, members: none };
  }
}

async function* hashing(source: Bytes, hasher: DigestHasher): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hasher.update(chunk);
    yield chunk;
  }
}
