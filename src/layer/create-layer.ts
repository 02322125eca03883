import { DigestHasher, type Digest, type LayerCompression, layerMediaType } from "../core/index.ts";
import { type Bytes, compress } from "../io/index.ts";

export interface CreateLayerOptions {
  readonly compression: LayerCompression;
  /** gzip 0 to 9, zstd 0 to 22. */
  readonly level?: number | undefined;
  /** Family of the media type; "oci" if left out. */
  readonly family?: "oci" | "docker";
}

export interface CreatedLayer {
  /** Digest of the uncompressed archive. */
  readonly diffId: Digest;
  /** Digest and size in bytes of the blob. */
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

export interface LayerStream {
  /** The blob; to be read once, to its end. */
  readonly bytes: Bytes;
  /** Settles when `bytes` has been read to its end, or has failed; rejects if it was left early. */
  readonly result: Promise<CreatedLayer>;
}

/** Turns an archive into a layer's blob; both digests are taken on the way. */
export function createLayer(tar: Bytes, { compression, level, family = "oci" }: CreateLayerOptions): LayerStream {
  const { promise, resolve, reject } = Promise.withResolvers<CreatedLayer>();
  // Whoever reads the bytes sees the error too; nobody has to look at both.
  promise.catch(() => undefined);
  const inner = new DigestHasher();
  const hashed = hashing(tar, inner);
  const blob = compress(hashed, { type: compression, level });
  async function* bytes(): AsyncGenerator<Uint8Array> {
    const outer = compression === "uncompressed" ? inner : new DigestHasher();
    try {
      yield* outer === inner ? blob : hashing(blob, outer);
      const diffId = inner.digest();
      const digest = outer === inner ? diffId : outer.digest();
      resolve({ diffId, digest, size: outer.size, mediaType: layerMediaType(compression, family) });
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new Error("The layer was not read to its end"));
    }
  }
  return { bytes: bytes(), result: promise };
}

async function* hashing(source: Bytes, hasher: DigestHasher): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hasher.update(chunk);
    yield chunk;
  }
}
