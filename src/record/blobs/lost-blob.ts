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
import type { BlobFace, RecordId, RecordRow } from "../types.ts";

/** Whether a layer's blob is neither in the store nor anywhere to be fetched from, while the tree it was made of is here. */
export function isLost(
  { blob, snapshot }: RecordRow,
  { content, snapshotter }: { readonly content: ContentStore; readonly snapshotter: Snapshotter },
): boolean {
  if (blob === undefined || blob.sources.length > 0 || content.info(blob.digest) !== undefined) return false;
  return snapshot !== undefined && snapshotter.stat(snapshot) !== undefined;
}

/** Where a blob can be fetched from: what its record says; if that is nothing, where it was fetched from or pushed to. */
export function sourcesOf({ digest, sources }: BlobFace, content: ContentStore): readonly string[] {
  return sources.length > 0 ? sources : distributionSources(content.labels(digest));
}

/** The failure of a layer whose blob is damaged, and is not to be had again because of `cause`. */
export function unmendable({ digest }: BlobFace, cause: unknown): VarveError {
  const why = messageOf(cause);
  return new VarveError("storage", `Cannot read layer ${digest}: its blob was damaged on disk, and is lost (${why})`, {
    details: { digest, damaged: digest },
    hint: "Pull or load its image again, or build it again with --no-cache.",
    cause,
  });
}

/** How a blob is compressed, as far as its descriptor tells: not at which level. */
export function compressionOf({ mediaType, annotations }: BlobFace): LayerCompression {
  if (Object.hasOwn(annotations, Annotation.estargzToc)) return "estargz";
  return layerCompression(mediaType) ?? "gzip";
}

/**
 * Gives a layer the blob that was made of its tree in place of the one that was lost. Its digest may be another, of another
 * level or library, and then so are the blob chain ids of all that stands on it. A blob of another diffID is not taken: the
 * layer came from somewhere else, or its tree is damaged, and what was lost stays lost.
 */
export function replaceBlob(id: RecordId, lost: BlobFace, blob: BlobFace, table: RecordTable): void {
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
