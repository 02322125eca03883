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

export function blobFile(directory: string, digest: Digest): string {
  return join(directory, "blobs", digestAlgorithm(digest), digestHex(digest));
}

/** A regular file, or nothing; no link out of the layout, no pipe. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw new VarveError("corrupt", `Cannot read ${path}: it is no file of a layout`, { cause: error });
  }
}

async function readSmall(path: string, limit: number): Promise<Buffer | undefined> {
  await using file = await openFile(path);
  if (file === undefined) return undefined;
  if (!(await file.stat()).isFile()) throw new VarveError("corrupt", `Cannot read ${path}: it is not a regular file`);
  const bytes = file.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>;
  return await collect(bytes, limit, { what: path });
}

/** A document among the blobs, verified; throws `not-found`. */
export async function readBlobFile(directory: string, descriptor: Descriptor, limit: number): Promise<Buffer> {
  const { digest, size } = descriptor;
  const bytes = await readSmall(blobFile(directory, digest), limit);
  if (bytes === undefined)
    throw new VarveError("not-found", `Cannot read blob ${digest}: ${directory} has no such blob`);
  return await collect(verified(bytesOf(bytes), { digest, size }, { what: `blob ${digest}` }), limit, { what: digest });
}

/** The entries of `index.json`; none if there is no such file. */
export async function readLayoutIndex(directory: string): Promise<readonly Descriptor[]> {
  const bytes = await readSmall(join(directory, "index.json"), Limits.manifest);
  return bytes === undefined ? [] : readIndex(bytes, MediaType.ociIndex).manifests;
}

/** Replaces `index.json`, and with it all that a reader sees. */
export async function writeLayoutIndex(directory: string, manifests: readonly Descriptor[]): Promise<void> {
  await writeFileAtomic(join(directory, "oci-layout"), VERSION);
  const json = manifestJson({ kind: "index", mediaType: MediaType.ociIndex, manifests });
  await writeFileAtomic(join(directory, "index.json"), goJson(json));
}

/** True for the entry that an export under this tag replaces. Entries with an image's full name are somebody else's. */
export function isTagged({ annotations = {} }: Descriptor, tag: string): boolean {
  return annotations[Annotation.refName] === tag && annotations[Annotation.containerdImageName] === undefined;
}

/** Whether a file is what a blob's name says; not so what cannot be read. */
async function isBlobFile(path: string, expected: Pick<Descriptor, "digest" | "size">): Promise<boolean> {
  try {
    await using file = await openFile(path);
    const { size } = (await file?.stat()) ?? {};
    if (file === undefined || size !== expected.size) return false;
    const bytes = file.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>;
    for await (const _chunk of verified(bytes, expected, { what: path }));
    return true;
  } catch (error) {
    if (isVarveError(error, "corrupt")) return false;
    throw error;
  }
}

/**
 * True if the blob is there, and whole. It then counts as young, so that no collection takes it before an index names it; unless it is
 * another user's, whose times cannot be set.
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

/** Stores a blob, verified. */
export async function writeBlobFile(
  directory: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  bytes: Bytes,
): Promise<void> {
  const path = blobFile(directory, digest);
  makeDirectories(dirname(path));
  await writeFileAtomic(path, verified(bytes, { digest, size }, { what: `blob ${digest}` }));
}
