import {
  Annotation,
  type LayerCompression,
  VarveError,
  distributionSources,
  layerCompression,
  messageOf,
} from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import { layersOf } from "../layers.ts";
import type { RecordTable } from "../table.ts";
import type { BlobForm, RecordId, RecordRow } from "../types.ts";

/** Returns whether the blob of a layer is lost (not in the store, no source) but can be made again from its snapshot. */
export function isLost(
  { blob, snapshot }: RecordRow,
  { content, snapshotter }: { readonly content: ContentStore; readonly snapshotter: Snapshotter },
): boolean {
  if (blob === undefined || blob.sources.length > 0 || content.info(blob.digest) !== undefined) return false;
  return snapshot !== undefined && snapshotter.stat(snapshot) !== undefined;
}

/**
 * Returns the repositories that a blob can be fetched from: the sources of its record, or, if there are none, the repositories
 * it was fetched from or pushed to before, according to its labels.
 */
export function sourcesOf({ digest, sources }: BlobForm, content: ContentStore): readonly string[] {
  return sources.length > 0 ? sources : distributionSources(content.labels(digest));
}

/** Returns the error for a damaged blob that cannot be fetched again. `cause` says why. */
export function unrecoverableBlob({ digest }: BlobForm, cause: unknown): VarveError {
  const why = messageOf(cause);
  return new VarveError("storage", `Cannot read layer ${digest}: its blob was damaged on disk and is lost (${why})`, {
    details: { digest, damaged: digest },
    hint: "Pull or load its image again, or build it again with --no-cache.",
    cause,
  });
}

/** Returns the compression of a blob according to its descriptor. A descriptor does not say the level. */
export function compressionOf({ mediaType, annotations }: BlobForm): LayerCompression {
  if (Object.hasOwn(annotations, Annotation.estargzToc)) return "estargz";
  return layerCompression(mediaType) ?? "gzip";
}

/**
 * Replaces the lost blob of a layer by a blob that was made from its tree. The new blob may have another digest, because the
 * compression level or library differs; the blob chain ids of all records above it change with it. Does nothing if the diffIDs
 * differ: then the layer was not built here, or its tree is damaged, and the blob stays lost.
 */
export function replaceBlob(id: RecordId, lost: BlobForm, blob: BlobForm, table: RecordTable): void {
  table.transaction(() => {
    if (blob.diffId !== lost.diffId || !table.changeBlob(id, lost.digest, blob)) return;
    const done = new Set<RecordId>();
    const settle = (at: RecordId): void => {
      if (done.has(at)) return;
      done.add(at);
      table.setChains(at, layersOf(table, at));
      for (const child of table.children(at)) settle(child);
    };
    settle(id);
  });
}
