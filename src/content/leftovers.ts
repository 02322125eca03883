import type { Dirent } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isDigest, throwIfAborted } from "../core/index.ts";
import type { Blobs } from "./blobs.ts";
import { ALGORITHMS } from "./layout.ts";
import { removeAbandoned } from "./place.ts";

/** How long the bytes of an ingest that nobody is writing are kept for resuming, in ms since the last write. */
const INGEST_RETENTION = 86_400_000;

/** Files in the blobs' place that no row speaks of: their writer died before its transaction ended, or a collector after. */
async function removeOrphans(blobs: Blobs): Promise<void> {
  for (const algorithm of ALGORITHMS) {
    const names = await readdir(join(blobs.layout.blobs, algorithm));
    const orphans = names
      .map((name) => `${algorithm}:${name}`)
      .filter((digest) => isDigest(digest))
      .filter((digest) => blobs.row(digest) === undefined);
    await blobs.discard(orphans);
  }
}

async function lastWrite(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function removeIfStale(blobs: Blobs, entry: Dirent): Promise<void> {
  const path = join(blobs.layout.ingest, entry.name);
  const written = (entry.isDirectory() ? await lastWrite(join(path, "data")) : undefined) ?? (await lastWrite(path));
  if (written === undefined || Date.now() - written < INGEST_RETENTION) return;
  if (entry.isDirectory()) removeAbandoned(blobs.state, path);
  else await rm(path, { force: true });
}

/** Removes what interrupted writers and collectors have left: orphans, stale ingests, trash. */
export async function removeLeftovers(blobs: Blobs, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal, "collect garbage");
  await removeOrphans(blobs);
  for (const entry of await readdir(blobs.layout.ingest, { withFileTypes: true })) {
    throwIfAborted(signal, "collect garbage");
    await removeIfStale(blobs, entry);
  }
  for (const name of await readdir(blobs.layout.trash))
    await rm(join(blobs.layout.trash, name), { recursive: true, force: true });
}
