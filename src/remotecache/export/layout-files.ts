import { constants } from "node:fs";
import { type FileHandle, open, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  Annotation,
  type Descriptor,
  type Digest,
  Limits,
  MediaType,
  VarveError,
  digestAlgorithm,
  digestHex,
  errnoOf,
  goJson,
  isVarveError,
} from "../../core/index.ts";
import { type Bytes, bytesOf, collect, verified, writeFileAtomic } from "../../io/index.ts";
import { manifestJson, readIndex } from "../../image/index.ts";
import { makeDirectories } from "../../linux/index.ts";

const VERSION = '{"imageLayoutVersion":"1.0.0"}';

/** Returns the path of a blob. */
export function blobFile(directory: string, digest: Digest): string {
  return join(directory, "blobs", digestAlgorithm(digest), digestHex(digest));
}

/** Opens a file, or returns undefined if it does not exist. Symbolic links are not followed, and pipes do not block. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw new VarveError("corrupt", `Cannot read ${path}: it is not a regular file`, { cause: error });
  }
}

async function readSmall(path: string, limit: number): Promise<Buffer | undefined> {
  await using file = await openFile(path);
  if (file === undefined) return undefined;
  if (!(await file.stat()).isFile()) throw new VarveError("corrupt", `Cannot read ${path}: it is not a regular file`);
  const bytes: AsyncIterable<Buffer> = file.createReadStream({ autoClose: false });
  return await collect(bytes, limit, { what: path });
}

/** Reads and verifies a document. Throws `not-found` if it does not exist. */
export async function readBlobFile(directory: string, descriptor: Descriptor, limit: number): Promise<Buffer> {
  const { digest, size } = descriptor;
  const bytes = await readSmall(blobFile(directory, digest), limit);
  if (bytes === undefined) throw new VarveError("not-found", `Cannot read blob ${digest}: it is not in ${directory}`);
  return await collect(verified(bytesOf(bytes), { digest, size }, { what: `blob ${digest}` }), limit, { what: digest });
}

/** Returns the entries of `index.json`; none if the file does not exist. */
export async function readLayoutIndex(directory: string): Promise<readonly Descriptor[]> {
  const bytes = await readSmall(join(directory, "index.json"), Limits.manifest);
  return bytes === undefined ? [] : readIndex(bytes, MediaType.ociIndex).manifests;
}

/** Replaces `index.json` atomically. */
export async function writeLayoutIndex(directory: string, manifests: readonly Descriptor[]): Promise<void> {
  await writeFileAtomic(join(directory, "oci-layout"), VERSION);
  const json = manifestJson({ kind: "index", mediaType: MediaType.ociIndex, manifests });
  await writeFileAtomic(join(directory, "index.json"), goJson(json));
}

/** True for the entry that an export with this tag replaces. Entries with a full image name belong to other programs. */
export function isTagged({ annotations = {} }: Descriptor, tag: string): boolean {
  return annotations[Annotation.refName] === tag && annotations[Annotation.containerdImageName] === undefined;
}

/** True if a file exists and has the expected size and digest. */
async function isBlobFile(path: string, expected: Pick<Descriptor, "digest" | "size">): Promise<boolean> {
  try {
    await using file = await openFile(path);
    const { size } = (await file?.stat()) ?? {};
    if (file === undefined || size !== expected.size) return false;
    const bytes: AsyncIterable<Buffer> = file.createReadStream({ autoClose: false });
    for await (const _chunk of verified(bytes, expected, { what: path }));
    return true;
  } catch (error) {
    if (isVarveError(error, "corrupt")) return false;
    throw error;
  }
}

/**
 * Returns true if the blob exists and is not damaged. Also sets its time, so that no collection removes it before an index lists it;
 * that is not possible if the file belongs to another user.
 */
export async function touchBlob(
  directory: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
): Promise<boolean> {
  const path = blobFile(directory, digest);
  if (!(await isBlobFile(path, { digest, size }))) return false;
  try {
    const now = new Date();
    await utimes(path, now, now);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EPERM" || errno === "EACCES") return true;
    if (errno === "ENOENT") return false;
    throw error;
  }
}

/** Verifies and stores a blob. */
export async function writeBlobFile(
  directory: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  bytes: Bytes,
): Promise<void> {
  const path = blobFile(directory, digest);
  makeDirectories(dirname(path));
  await writeFileAtomic(path, verified(bytes, { digest, size }, { what: `blob ${digest}` }));
}
