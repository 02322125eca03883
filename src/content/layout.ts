import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../core/index.ts";
import { makeDirectories } from "../linux/index.ts";

/** Where the store keeps its files, under `<root>/content`. */
export interface Layout {
  /** `<algorithm>/<hex>`, mode 0444. */
  readonly blobs: string;
  /** Blobs being written: a directory for each ref. */
  readonly ingest: string;
  /** A directory for each process that writes: its blobs without a ref. */
  readonly writers: string;
  /** Files to be removed, at any time. */
  readonly trash: string;
  /** Damaged files, see `quarantine.ts`. */
  readonly quarantine: string;
  /** The blobs of another store, which are read where this one has none, and never changed. */
  readonly below: string | undefined;
}

export const ALGORITHMS = ["sha256", "sha512"] as const;

/** `below`: the root of another store; see `Layout`. */
export function makeLayout(root: string, below?: string): Layout {
  const base = resolve(root, "content");
  const layout = {
    blobs: join(base, "blobs"),
    ingest: join(base, "ingest"),
    writers: join(base, "writers"),
    trash: join(base, "trash"),
    quarantine: join(base, "quarantine"),
    below: below === undefined ? undefined : join(resolve(below, "content"), "blobs"),
  };
  for (const algorithm of ALGORITHMS) makeDirectories(join(layout.blobs, algorithm));
  for (const path of [layout.ingest, layout.trash, layout.quarantine]) makeDirectories(path, 0o700);
  return layout;
}

export function blobPath(layout: Layout, digest: Digest): string {
  return join(layout.blobs, digestAlgorithm(digest), digestHex(digest));
}

/** Returns the path of a blob's file for reading. */
export function readPath(layout: Layout, digest: Digest): string {
  const own = blobPath(layout, digest);
  return layout.below === undefined || existsSync(own) ? own : blobPath({ ...layout, blobs: layout.below }, digest);
}

/** The directory of a ref's ingest: `data` has the bytes, `lock` is locked during writing. */
export function ingestPath(layout: Layout, ref: string): string {
  return join(layout.ingest, digestHex(digestOf(ref)));
}
