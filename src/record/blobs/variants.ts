import { Annotation, type Digest, type LayerCompression, isDigest, layerCompression } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { isEstargz } from "./estargz.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";
import type { RecordTable } from "../table.ts";
import type { BlobFace, Hold, RecordId } from "../types.ts";

export interface VariantDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshots: Snapshots;
}

/** Labels of BuildKit: which blobs are the same layer, compressed otherwise, and what a descriptor says of each. */
const LINK = "containerd.io/gc.ref.content.blob-";
const MEDIA_TYPE = "buildkit.io/blob/mediatype";
const ANNOTATION = "buildkit.io/blob/annotation.";
const SAVED: readonly string[] = [Annotation.estargzToc, Annotation.estargzSize];

/** The annotations of a layer's descriptor that are part of what the layer is. */
export function savedAnnotations(all: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(SAVED.flatMap((key) => (Object.hasOwn(all, key) ? [[key, all[key] as string]] : [])));
}

/**
 * Whether a blob has to be compressed anew to be what is wanted. To plain gzip, eStargz is something else; eStargz is only
 * what was verified. A blob that is not here is fetched if nothing else can tell.
 */
export async function needsConversion(
  blob: BlobFace,
  wanted: LayerCompression,
  { content, snapshots }: VariantDeps,
  hold: Hold,
): Promise<boolean> {
  const found = layerCompression(blob.mediaType);
  if (found === undefined) return false;
  if (found !== "gzip" || wanted === "uncompressed" || wanted === "zstd") return found !== wanted;
  const claimed = Object.hasOwn(blob.annotations, Annotation.estargzToc);
  const isVerified = (): Promise<boolean> => isEstargz(content, blob.digest, hold.signal);
  if (wanted === "estargz" || claimed)
    return (await snapshots.readingBlob(blob, hold, isVerified)) !== (wanted === "estargz");
  const absent = content.info(blob.digest) === undefined;
  return !absent && (await isVerified());
}

/** A form of the blob that is as wanted and was made before, for this record or another that has the same blob. */
export async function findVariant(
  record: RecordId,
  blob: BlobFace,
  wanted: LayerCompression,
  { deps, hold }: { readonly deps: VariantDeps; readonly hold: Hold },
): Promise<BlobFace | undefined> {
  const own = deps.table.variants(record).map(({ digest }) => digest);
  for (const digest of linked([blob.digest, ...own], deps.content)) {
    const variant = digest === blob.digest ? undefined : describedBlob(digest, deps.content);
    if (variant !== undefined && !(await needsConversion(variant, wanted, deps, hold))) return variant;
  }
  return undefined;
}

/** Notes on both blobs, if they are here, that they are the same layer, and has the record keep the variant. */
export function addVariant(record: RecordId, blob: BlobFace, variant: BlobFace, { table, content }: VariantDeps): void {
  table.transaction(() => {
    for (const [one, other] of [
      [blob, variant],
      [variant, blob],
    ] as const)
      if (content.info(one.digest) !== undefined)
        content.label(one.digest, { ...labelsOf(one, content), [LINK + other.digest]: other.digest });
    table.addVariant(record, variant);
  });
}

function labelsOf(blob: BlobFace, content: ContentStore): Record<string, string> {
  if (content.info(blob.digest)?.labels.has(MEDIA_TYPE) === true) return {};
  const annotations = { ...savedAnnotations(blob.annotations), [Annotation.uncompressed]: blob.diffId };
  const labels = Object.entries(annotations).map(([key, value]) => [ANNOTATION + key, value] as const);
  return { [MEDIA_TYPE]: blob.mediaType, ...Object.fromEntries(labels) };
}

/** The blobs that labels lead to, those given first. */
function linked(from: readonly Digest[], content: ContentStore): Set<Digest> {
  const found = new Set(from);
  for (const digest of found) {
    for (const [key, value] of content.info(digest)?.labels ?? [])
      if (key.startsWith(LINK) && isDigest(value)) found.add(value);
  }
  return found;
}

/** A blob by what its labels say; undefined if it is not here, or nothing is known of it. */
function describedBlob(digest: Digest, content: ContentStore): BlobFace | undefined {
  const info = content.info(digest);
  const mediaType = info?.labels.get(MEDIA_TYPE);
  const diffId = info?.labels.get(ANNOTATION + Annotation.uncompressed);
  if (info === undefined || mediaType === undefined || !isDigest(diffId)) return undefined;
  const annotations = SAVED.flatMap((key) => {
    const value = info.labels.get(ANNOTATION + key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return { digest, size: info.size, mediaType, diffId, sources: [], annotations: Object.fromEntries(annotations) };
}
