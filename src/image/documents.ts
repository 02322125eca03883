import type { ContentStore } from "../content/index.ts";
import { type Descriptor, type Digest, Limits, VarveError, isIndexType, isManifestType } from "../core/index.ts";
import { collect } from "../io/index.ts";
import { readManifestOrIndex } from "./read-manifest.ts";
import type { Index, Manifest } from "./types.ts";

/** Maximum depth of nested indexes. */
export const MAX_INDEX_DEPTH = 8;

/** Reads a small blob. Throws `not-found`, or `limit-exceeded` before any byte is read. */
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

/**
 * Reads a manifest or an index from the store.
 *
 * @throws {VarveError} `not-found`; otherwise as `readManifestOrIndex`.
 */
export async function loadDocument(
  store: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<{ document: Manifest | Index; bytes: Buffer }> {
  const bytes = await readSmallBlob(store, descriptor, Limits.manifest, signal);
  return { bytes, document: readManifestOrIndex(bytes, descriptor.mediaType) };
}

/** Returns the config and layers of a manifest, or the manifests of an index, without the subject. */
function childrenOf(document: Manifest | Index): readonly Descriptor[] {
  return document.kind === "manifest" ? [document.config, ...document.layers] : document.manifests;
}

/** True for the media types of manifests and indexes. */
export function isDocumentType(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

/** Returns the parts of a manifest or an index in the store; none for other blobs. Throws `not-found` if the blob is missing. */
export async function children(
  store: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  return isDocumentType(descriptor.mediaType)
    ? childrenOf((await loadDocument(store, descriptor, signal)).document)
    : [];
}

/** Options of `walkDescriptors`. */
export interface WalkOptions {
  /** Skip documents that are not in the store, instead of throwing `not-found`. */
  readonly allowMissing?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Step {
  readonly descriptor: Descriptor;
  readonly depth: number;
}

/**
 * Yields a descriptor and all descriptors that it reaches, each digest once, parents first. They include blobs that are not in the
 * store.
 *
 * @throws {VarveError} `not-found` for a missing document, unless `allowMissing`; `limit-exceeded` for too deep indexes.
 */
export async function* walkDescriptors(
  store: ContentStore,
  root: Descriptor,
  { allowMissing = false, signal }: WalkOptions = {},
): AsyncGenerator<{ readonly descriptor: Descriptor; readonly children: readonly Descriptor[] }> {
  const visited = new Set<Digest>([root.digest]);
  const queue: Step[] = [{ descriptor: root, depth: 0 }];
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    const { descriptor, depth } = step;
    if (depth > MAX_INDEX_DEPTH)
      throw new VarveError("limit-exceeded", `Cannot read image ${root.digest}: its indexes are nested too deep`);
    const absent = allowMissing && store.info(descriptor.digest) === undefined;
    const parts = absent ? [] : await children(store, descriptor, signal);
    yield { descriptor, children: parts };
    for (const part of parts) {
      if (!visited.has(part.digest)) queue.push({ descriptor: part, depth: depth + 1 });
      visited.add(part.digest);
    }
  }
}

/** Links every manifest and index to its parts, so that the collector keeps them. The parts need not be in the store yet. */
export async function linkImage(store: ContentStore, root: Descriptor, signal?: AbortSignal): Promise<void> {
  const options = { allowMissing: true, signal };
  for await (const { descriptor, children: parts } of walkDescriptors(store, root, options))
    if (parts.length > 0)
      store.link(
        descriptor.digest,
        parts.map(({ digest }) => digest),
      );
}
