import { stat } from "node:fs/promises";
import { DigestHasher, type Digest, digestAlgorithm, errnoOf, isVarveError, throwIfAborted } from "../core/index.ts";
import type { Blobs } from "./blobs.ts";
import { blobPath } from "./layout.ts";
import { readBlob } from "./read.ts";
import type { BlobInfo, Damage, Verification } from "./types.ts";

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function rehash(blobs: Blobs, digest: Digest, signal: AbortSignal | undefined): Promise<Digest> {
  const hasher = new DigestHasher(digestAlgorithm(digest));
  for await (const chunk of readBlob(blobs, digest, signal === undefined ? {} : { signal })) hasher.update(chunk);
  return hasher.digest();
}

/** What is wrong with a blob, or undefined: if nothing is, or if it was removed meanwhile. */
async function examine(blobs: Blobs, info: BlobInfo, signal: AbortSignal | undefined): Promise<Damage | undefined> {
  const { digest } = info;
  const size = await fileSize(blobPath(blobs.layout, digest));
  if (size !== info.size) {
    if (blobs.row(digest) === undefined) return undefined;
    return { digest, state: size === undefined ? "missing" : "wrong-size" };
  }
  try {
    return (await rehash(blobs, digest, signal)) === digest ? undefined : { digest, state: "wrong-digest" };
  } catch (error) {
    if (isVarveError(error, "not-found")) return undefined;
    throw error;
  }
}

export async function verifyBlobs(
  blobs: Blobs,
  walk: Iterable<BlobInfo>,
  signal: AbortSignal | undefined,
): Promise<Verification> {
  const damaged: Damage[] = [];
  let count = 0;
  let bytes = 0;
  for (const info of walk) {
    throwIfAborted(signal, "verify the content store");
    const damage = await examine(blobs, info, signal);
    if (damage !== undefined) damaged.push(damage);
    count += 1;
    bytes += info.size;
  }
  return { blobs: count, bytes, damaged };
}
