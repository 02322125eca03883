import { type Digest, isVarveError, throwIfAborted } from "../core/index.ts";
import { blobFile } from "./blob-file.ts";
import type { BlobRow, Blobs } from "./blobs.ts";
import { isLostBlob } from "./damage.ts";
import { readPath } from "./layout.ts";
import { verifyBlob } from "./read.ts";
import type { Damage, Verification, VerifyOptions } from "./types.ts";

/** Verifies a blob. Returns undefined if it is absent, or damaged and therefore lost. */
export async function checkBlob(
  blobs: Blobs,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<BlobRow | undefined> {
  try {
    return await verifyBlob(blobs, digest, signal);
  } catch (error) {
    if (isLostBlob(error)) return undefined;
    throw error;
  }
}

/** Returns the damage of a blob, which is lost from then on; undefined if it is intact or was removed meanwhile. */
async function examine(blobs: Blobs, row: BlobRow, signal: AbortSignal | undefined): Promise<Damage | undefined> {
  const { digest, size } = row;
  const file = blobFile(readPath(blobs.layout, digest), size);
  if (file.kind === "damaged") {
    const wasThere = blobs.row(digest) !== undefined;
    return blobs.find(digest) === undefined && wasThere ? { digest, size, state: file.state } : undefined;
  }
  try {
    await verifyBlob(blobs, digest, signal);
    return undefined;
  } catch (error) {
    if (isVarveError(error, "not-found")) return undefined;
    const { damaged, state } = isVarveError(error, "storage") ? error.details : {};
    if (damaged !== digest || state === undefined) throw error;
    return { digest, size, state };
  }
}

export async function verifyBlobs(blobs: Blobs, { signal, onProgress }: VerifyOptions): Promise<Verification> {
  const total = blobs.total();
  const damaged: Damage[] = [];
  let count = 0;
  let bytes = 0;
  for (const row of blobs.rows()) {
    throwIfAborted(signal, "verify the content store");
    const damage = await examine(blobs, row, signal);
    if (damage !== undefined) damaged.push(damage);
    count += 1;
    bytes += row.size;
    onProgress?.({ blobs: count, bytes, total, damage });
  }
  return { blobs: count, bytes, damaged };
}
