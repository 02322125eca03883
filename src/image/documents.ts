import type { ContentStore } from "../content/index.ts";
import { type Descriptor, type Digest, Limits, VarveError, isIndexType, isManifestType } from "../core/index.ts";
import { collect } from "../io/index.ts";
import { readManifestOrIndex } from "./read-manifest.ts";
import type { Index, Manifest } from "./types.ts";

/** Indexes within indexes. */
export const MAX_INDEX_DEPTH = 8;

/** The bytes of a small blob; throws `not-found`, or `limit-exceeded` before any is read. */
export async function readSmallBlob(
  store: ContentStore,
  descriptor: Descriptor,
  limit: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const size = store.info(descriptor.digest)?.size ?? 0;
  if (size > limit)
    throw new VarveError("limit-exceeded", `Cannot read blob ${descriptor.digest}: it is larger than ${limit} bytes`);
  return await collect(store.open(descriptor.digest, signal && { signal }), limit, {
    what: `blob ${descriptor.digest}`,
  });
}

/** A manifest or an index of the store. */
export async function loadDocument(
  store: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<{ document: Manifest | Index; bytes: Buffer }> {
  const bytes = await readSmallBlob(store, descriptor, Limits.manifest, signal);
  return { bytes, document: readManifestOrIndex(bytes, descriptor.mediaType) };
}

/** What a document consists of: config and layers, or manifests. Its subject is no part of it. */
function childrenOf(document: Manifest | Index): readonly Descriptor[] {
  return document.kind === "manifest" ? [document.config, ...document.layers] : document.manifests;
}

/** True for what has a document with further descriptors. */
export function isDocumentType(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

/** The parts of a manifest or an index in the store; none for other blobs. Throws `not-found` if the blob is absent. */
export async function children(
  store: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  return isDocumentType(descriptor.mediaType)
    ? childrenOf((await loadDocument(store, descriptor, signal)).document)
    : [];
}

export interface WalkOptions {
  /** Passes over documents that are not in the store; otherwise they are `not-found`. */
  readonly allowMissing?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Step {
  readonly descriptor: Descriptor;
  readonly depth: number;
}

/**
 * Every descriptor that a descriptor reaches, itself first, each digest once, parents before their parts. Blobs that are
 * not in the store are among them.
 */
export async function* walkDescriptors(
  store: ContentStore,
  root: Descriptor,
  { allowMissing = false, signal }: WalkOptions = {},
): AsyncGenerator<{ readonly descriptor: Descriptor; readonly children: readonly Descriptor[] }> {
  const seen = new Set<Digest>([root.digest]);
  const queue: Step[] = [{ descriptor: root, depth: 0 }];
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    const { descriptor, depth } = step;
    if (depth > MAX_INDEX_DEPTH)
      throw new VarveError("limit-exceeded", `Cannot read image ${root.digest}: its indexes are nested too deep`);
    const absent = allowMissing && store.info(descriptor.digest) === undefined;
    const parts = absent ? [] : await children(store, descriptor, signal);
    yield { descriptor, children: parts };
    for (const part of parts) {
      if (!seen.has(part.digest)) queue.push({ descriptor: part, depth: depth + 1 });
      seen.add(part.digest);
    }
  }
}

/** Makes every manifest and index keep its parts, whether or not they are in the store yet. */
export async function linkImage(store: ContentStore, root: Descriptor, signal?: AbortSignal): Promise<void> {
  const options = { allowMissing: true, signal };
  for await (const { descriptor, children: parts } of walkDescriptors(store, root, options))
    if (parts.length > 0)
      store.link(
        descriptor.digest,
        parts.map(({ digest }) => digest),
      );
}
