import { DigestHasher, type Digest, type LayerCompression, layerMediaType } from "../core/index.ts";
import { type Bytes, compress } from "../io/index.ts";
import { type EstargzStream, estargz } from "./estargz/write.ts";

export interface CreateLayerOptions {
  readonly compression: LayerCompression;
  /** gzip and estargz 0 to 9, zstd 0 to 22. */
  readonly level?: number | undefined;
  /** Family of the media type; "oci" if left out. */
  readonly family?: "oci" | "docker" | undefined;
}

/** What is known of a layer once it has been made. Digest and size of the blob are told by whoever stores it. */
export interface CreatedLayer {
  /** Digest of the uncompressed archive; of eStargz, with the table of contents at its end. */
  readonly diffId: Digest;
  readonly mediaType: string;
  /** What its descriptor says besides: of eStargz, where to begin reading. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface LayerStream {
  /** The blob; to be read once, to its end. */
  readonly bytes: Bytes;
  /** Settles when `bytes` has been read to its end, or has failed; rejects if it was left early. */
  readonly result: Promise<CreatedLayer>;
}

/** Turns an archive into a layer's blob; the archive's digest is taken on the way. */
export function createLayer(tar: Bytes, { compression, level, family = "oci" }: CreateLayerOptions): LayerStream {
  const { promise, resolve, reject } = Promise.withResolvers<CreatedLayer>();
  // Whoever reads the bytes sees the error too; nobody has to look at both.
  promise.catch(() => undefined);
  const inner = new DigestHasher();
  const blob = encoded(tar, { compression, level }, inner);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* blob.bytes;
      const mediaType = layerMediaType(compression, family);
      resolve({ diffId: inner.digest(), mediaType, annotations: blob.annotations() });
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new Error("The layer was not read to its end"));
    }
  }
  return { bytes: bytes(), result: promise };
}

/** The archive compressed; `inner` digests what comes out when it is decompressed. */
function encoded(tar: Bytes, { compression, level }: CreateLayerOptions, inner: DigestHasher): EstargzStream {
  if (compression === "estargz") return estargz(tar, { level, onPlain: (piece) => inner.update(piece) });
  return { bytes: compress(hashing(tar, inner), { type: compression, level }), annotations: () => ({}) };
}

async function* hashing(source: Bytes, hasher: DigestHasher): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hasher.update(chunk);
    yield chunk;
  }
}
