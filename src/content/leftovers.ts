import type { Dirent } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isDigest, throwIfAborted } from "../core/index.ts";
import type { ProcessDirectory } from "../linux/index.ts";
import type { Blobs } from "./blobs.ts";
import { ALGORITHMS } from "./layout.ts";
import { removeAbandoned } from "./place.ts";
import type { Sweepers } from "./types.ts";

/** How long the bytes of an interrupted ingest are kept for resuming, in ms since the last write. */
const INGEST_RETENTION = 86_400_000;

interface Written {
  readonly at: number;
  readonly size: number;
}

async function lastWrite(path: string): Promise<Written | undefined> {
  try {
    const { mtimeMs, size } = await stat(path);
    return { at: mtimeMs, size };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Bytes of the files directly in a directory. */
async function bytesIn(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const files = await Promise.all(names.map((name) => lastWrite(join(directory, name))));
  return files.reduce((sum, file) => sum + (file?.size ?? 0), 0);
}

/** Files of blobs without a row: their writer died before its transaction ended, or a collector died after its own. */
async function moveOrphans(blobs: Blobs): Promise<void> {
  for (const algorithm of ALGORITHMS) {
    const names = await readdir(join(blobs.layout.blobs, algorithm));
    const orphans = names
      .map((name) => `${algorithm}:${name}`)
      .filter((digest) => isDigest(digest))
      .filter((digest) => blobs.row(digest) === undefined);
    Array.from(blobs.trash(orphans));
  }
}

/** Removes an ingest without a writer, if its time is over. Returns its bytes. */
async function removeIngest(blobs: Blobs, entry: Dirent, retention: number): Promise<number> {
  const path = join(blobs.layout.ingest, entry.name);
  const data = entry.isDirectory() ? await lastWrite(join(path, "data")) : undefined;
  const written = data ?? (await lastWrite(path));
  if (written === undefined || Date.now() - written.at < (entry.isDirectory() ? retention : INGEST_RETENTION)) return 0;
  if (!entry.isDirectory()) await rm(path, { force: true });
  else if (!removeAbandoned(blobs.state, path)) return 0;
  return entry.isDirectory() ? (data?.size ?? 0) : written.size;
}

/** Removes what dead processes were writing without a ref. Returns its bytes. */
async function removeWriters(writers: ProcessDirectory): Promise<number> {
  let bytes = 0;
  for (const path of writers.abandoned()) {
    bytes += await bytesIn(path);
    await rm(path, { recursive: true, force: true });
  }
  return bytes;
}

/** Removes what interrupted writers and collectors have left: orphans, ingests, trash. Returns its bytes. */
export async function removeLeftovers(
  blobs: Blobs,
  writers: ProcessDirectory,
  { resumable = "recent", signal }: Sweepers,
): Promise<number> {
  throwIfAborted(signal, "collect garbage");
  await moveOrphans(blobs);
  let bytes = await removeWriters(writers);
  for (const entry of await readdir(blobs.layout.ingest, { withFileTypes: true })) {
    throwIfAborted(signal, "collect garbage");
    bytes += await removeIngest(blobs, entry, resumable === "none" ? 0 : INGEST_RETENTION);
  }
  bytes += await bytesIn(blobs.layout.trash);
  for (const name of await readdir(blobs.layout.trash))
    await rm(join(blobs.layout.trash, name), { recursive: true, force: true });
  return bytes;
}
