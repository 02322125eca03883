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
}

export const ALGORITHMS = ["sha256", "sha512"] as const;

export function makeLayout(root: string): Layout {
  const base = resolve(root, "content");
  const layout = {
    blobs: join(base, "blobs"),
    ingest: join(base, "ingest"),
    writers: join(base, "writers"),
    trash: join(base, "trash"),
    quarantine: join(base, "quarantine"),
  };
  for (const algorithm of ALGORITHMS) makeDirectories(join(layout.blobs, algorithm));
  for (const path of [layout.ingest, layout.trash, layout.quarantine]) makeDirectories(path, 0o700);
  return layout;
}

export function blobPath(layout: Layout, digest: Digest): string {
  return join(layout.blobs, digestAlgorithm(digest), digestHex(digest));
}

/** The directory of a ref's ingest: `data` has the bytes, `lock` is locked during writing. */
export function ingestPath(layout: Layout, ref: string): string {
  return join(layout.ingest, digestHex(digestOf(ref)));
}
