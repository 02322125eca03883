import { Annotation, type Digest, type LayerCompression, isDigest, layerCompression } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { isEstargz } from "./estargz.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";
import type { RecordTable } from "../table.ts";
import type { BlobForm, Hold, RecordId } from "../types.ts";

export interface VariantDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshots: Snapshots;
}

/** BuildKit's labels: links between blobs of the same layer, and the media type and annotations of a blob's descriptor. */
const LINK = "containerd.io/gc.ref.content.blob-";
const MEDIA_TYPE = "buildkit.io/blob/mediatype";
const ANNOTATION = "buildkit.io/blob/annotation.";
const SAVED: readonly string[] = [Annotation.estargzToc, Annotation.estargzSize];

/** Returns those annotations of a layer's descriptor that describe the blob and are stored with the record: eStargz's. */
export function savedAnnotations(all: Readonly<Record<string, string>>): Record<string, string> {
  return savedEntries((key) => (Object.hasOwn(all, key) ? all[key] : undefined));
}

function savedEntries(valueOf: (key: string) => string | undefined): Record<string, string> {
  const entries = SAVED.flatMap((key) => {
    const value = valueOf(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(entries);
}

/**
 * Returns whether a blob must be converted to have the wanted compression. This is BuildKit's rule: eStargz does not count as
 * gzip, and only verified eStargz counts as eStargz. Fetches the blob if its descriptor does not decide.
 */
export async function needsConversion(
  blob: BlobForm,
  wanted: LayerCompression,
  { content, snapshots }: VariantDeps,
  hold: Hold,
): Promise<boolean> {
  const found = layerCompression(blob.mediaType);
  if (found === undefined) return false;
  if (found !== "gzip" || wanted === "uncompressed" || wanted === "zstd") return found !== wanted;
  const claimsEstargz = Object.hasOwn(blob.annotations, Annotation.estargzToc);
  const isVerified = (): Promise<boolean> => isEstargz(content, blob.digest, hold.signal);
  if (wanted === "estargz" || claimsEstargz)
    return (await snapshots.withBlob(blob, hold, isVerified)) !== (wanted === "estargz");
  const absent = content.info(blob.digest) === undefined;
  return !absent && (await isVerified());
}

/**
 * Returns a variant of a blob that has the wanted compression and is in the content store. It may have been made for another
 * record with the same blob.
 */
export async function findVariant(
  record: RecordId,
  blob: BlobForm,
  wanted: LayerCompression,
  { deps, hold }: { readonly deps: VariantDeps; readonly hold: Hold },
): Promise<BlobForm | undefined> {
  const own = deps.table.variants(record).map(({ digest }) => digest);
  for (const digest of linked([blob.digest, ...own], deps.content)) {
    const variant = digest === blob.digest ? undefined : describedBlob(digest, deps.content);
    if (variant !== undefined && !(await needsConversion(variant, wanted, deps, hold))) return variant;
  }
  return undefined;
}

/** Adds a variant to a record. Labels both blobs, if they are in the content store, as variants of each other. */
export function addVariant(record: RecordId, blob: BlobForm, variant: BlobForm, { table, content }: VariantDeps): void {
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

function labelsOf(blob: BlobForm, content: ContentStore): Record<string, string> {
  if (content.info(blob.digest)?.labels.has(MEDIA_TYPE) === true) return {};
  const annotations = { ...savedAnnotations(blob.annotations), [Annotation.uncompressed]: blob.diffId };
  const labels = Object.entries(annotations).map(([key, value]) => [ANNOTATION + key, value] as const);
  return { [MEDIA_TYPE]: blob.mediaType, ...Object.fromEntries(labels) };
}

/** Returns the given blobs and all blobs that their labels link to, directly or indirectly. */
function linked(from: readonly Digest[], content: ContentStore): Set<Digest> {
  const found = new Set(from);
  for (const digest of found) {
    for (const [key, value] of content.info(digest)?.labels ?? [])
      if (key.startsWith(LINK) && isDigest(value)) found.add(value);
  }
  return found;
}

/** Returns a blob as its labels describe it. Undefined if it is not in the content store or has no such labels. */
function describedBlob(digest: Digest, content: ContentStore): BlobForm | undefined {
  const info = content.info(digest);
  const mediaType = info?.labels.get(MEDIA_TYPE);
  const diffId = info?.labels.get(ANNOTATION + Annotation.uncompressed);
  if (info === undefined || mediaType === undefined || !isDigest(diffId)) return undefined;
  const annotations = savedEntries((key) => info.labels.get(ANNOTATION + key));
  return { digest, size: info.size, mediaType, diffId, sources: [], annotations };
}
