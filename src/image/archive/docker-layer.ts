import type { ContentStore } from "../../content/index.ts";
import {
  Annotation,
  type Descriptor,
  type Digest,
  type DigestAlgorithm,
  DigestHasher,
  Limits,
  VarveError,
  digestAlgorithm,
  layerMediaType,
} from "../../core/index.ts";
import { type Bytes, MAGIC_LENGTH, decompress, detectCompression, peek } from "../../io/index.ts";
import type { StoredFile } from "./stored-file.ts";
import type { LoadOptions } from "./types.ts";

function wrongLayer(file: StoredFile, actual: Digest, diffId: Digest): VarveError {
  return new VarveError("corrupt", `Cannot load layer ${file.digest}: its diffID is ${actual}, not ${diffId}`, {
    details: { layer: file.digest, actual, expected: diffId },
  });
}

async function digestAs(algorithm: DigestAlgorithm, bytes: Bytes): Promise<Digest> {
  const hasher = new DigestHasher(algorithm);
  for await (const chunk of bytes) hasher.update(chunk);
  return hasher.digest();
}

/**
 * Returns the descriptor of a layer from a Docker archive. Detects its compression, and checks it against the diffID from the config.
 * Layers in a format without a media type (bzip2, xz) are decompressed.
 */
export async function dockerLayer(
  store: ContentStore,
  file: StoredFile,
  diffId: Digest,
  { lease, signal }: LoadOptions,
): Promise<Descriptor> {
  const what = `layer ${file.digest}`;
  const labels = { [Annotation.uncompressed]: diffId };
  const reading = { signal };
  if (file.digest === diffId) {
    store.label(file.digest, labels);
    return { mediaType: layerMediaType("uncompressed", "docker"), digest: file.digest, size: file.size };
  }
  const { head, bytes } = await peek(store.open(file.digest, reading), MAGIC_LENGTH);
  const format = detectCompression(head);
  const tar = decompress(bytes, { format, what, limit: Limits.layerUnpacked });
  if (format === "bzip2" || format === "xz") {
    const { digest, size } = await store.put(tar, { expected: { digest: diffId }, labels, lease, ...reading });
    return { mediaType: layerMediaType("uncompressed", "docker"), digest, size };
  }
  const actual = await digestAs(digestAlgorithm(diffId), tar);
  if (actual !== diffId) throw wrongLayer(file, actual, diffId);
  store.label(file.digest, labels);
  return { mediaType: layerMediaType(format, "docker"), digest: file.digest, size: file.size };
}
