import { type Descriptor, type Digest, VarveError, formatReference, isVarveError } from "../../core/index.ts";
import { readContainer } from "../document/container.ts";
import { encodeContents, formOf } from "./codec.ts";
import { type PruneTargetOptions, type PrunedTarget, prunedContents } from "./prune.ts";
import { type RegistryTag, existingInRegistry, pushBlobs, tagDigest } from "./registry-document.ts";
import { type CacheContents, layersOfGraph } from "./scopes.ts";

/** Maximum number of tags that are checked for references. If a repository has more, nothing is deleted. */
const MAX_TAGS = 500;

/** Options of `pruneRegistryTarget`. */
export interface PruneRegistryOptions extends PruneTargetOptions {
  /**
   * Also delete blobs of the old document that no tag of the repository needs. Images without a tag are not considered: do not
   * set it if the repository has such images.
   */
  readonly deleteBlobs?: boolean | undefined;
}

/**
 * Prunes the cache with a tag in a registry. If nothing is left of it, the tag is deleted. The old document is deleted if the
 * registry allows that.
 *
 * @throws {VarveError} `not-found` if there is no cache; `busy` if another process writes at the same time; and what the registry
 * throws.
 */
export async function pruneRegistryTarget(
  place: RegistryTag,
  options: PruneRegistryOptions = {},
): Promise<PrunedTarget> {
  const { signal, deleteBlobs = false } = options;
  const name = formatReference(place.reference);
  const { descriptor, contents } = await existingInRegistry(place, () => undefined, { signal });
  if (descriptor === undefined || contents === undefined)
    throw new VarveError("not-found", `Cannot prune cache ${name}: it does not exist`);
  const { contents: kept, lost } = prunedContents(contents, options);
  if (lost.generations === 0) return { ...lost, blobs: 0, bytes: 0 };
  const isEmpty = kept.generations.length === 0;
  if (!isEmpty) await replace(place, descriptor, kept, options);
  const others = await reachableIn(place, isEmpty ? place.reference.tag : undefined, signal);
  if (others?.has(descriptor.digest) === false)
    await ifAllowed(place.registry.deleteManifest({ ...place.reference, digest: descriptor.digest }, { signal }));
  const unused = deleteBlobs && others !== undefined ? unusedLayers(contents, kept, others) : [];
  let [blobs, bytes] = [0, 0];
  for (const { digest, size } of unused) {
    if (!(await ifAllowed(place.registry.deleteBlob(place.reference, digest, { signal })))) break;
    blobs += 1;
    bytes += size;
  }
  return { ...lost, blobs, bytes };
}

async function replace(
  place: RegistryTag,
  old: Descriptor,
  contents: CacheContents,
  { signal, signer }: PruneTargetOptions,
): Promise<void> {
  const { registry, reference } = place;
  const document = encodeContents(contents, formOf(old.mediaType), { signer });
  const { manifest } = document;
  await pushBlobs(place, document, { signal });
  if ((await tagDigest(place, { signal })) !== old.digest)
    throw new VarveError(
      "busy",
      `Cannot prune cache ${formatReference(reference)}: another process has just written to it`,
    );
  await registry.pushManifest(reference, manifest.descriptor, manifest.bytes, { signal });
}

/**
 * Returns the digests of everything reachable from the tags of the repository, except one tag. Returns undefined if it cannot be
 * determined.
 */
export async function reachableIn(
  { registry, reference }: RegistryTag,
  except: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Set<Digest> | undefined> {
  const { registry: host, repository } = reference;
  const tags = await registry.tags(reference, { signal });
  if (tags.length > MAX_TAGS) return undefined;
  const found = new Set<Digest>();
  const open: { readonly tag?: string | undefined; readonly digest?: Digest | undefined }[] = tags
    .filter((tag) => tag !== except)
    .map((tag) => ({ tag }));
  for (const next of open) {
    try {
      const { descriptor, bytes } = await registry.manifest({ registry: host, repository, ...next }, { signal });
      found.add(descriptor.digest);
      for (const { digest } of blobsOf(bytes, (child) => open.push(child))) found.add(digest);
    } catch (error) {
      if (!isVarveError(error) || isVarveError(error, "cancelled")) throw error;
      return undefined;
    }
  }
  return found;
}

/** Returns the blobs of a document. Calls `onChild` for each document in an index. */
function blobsOf(bytes: Uint8Array, onChild: (child: { readonly digest: Digest }) => void): readonly Descriptor[] {
  const container = readContainer(bytes);
  if (container.kind === "cache")
    return [container.config, ...container.layers, ...(container.notes === undefined ? [] : [container.notes])];
  if (container.kind === "annotated") return [];
  const { document } = container;
  if (document.kind === "manifest") return [...(document.config ? [document.config] : []), ...document.layers];
  for (const { digest } of document.manifests) onChild({ digest });
  return document.manifests;
}

/** Returns the layers that the old contents need, but neither the new contents nor other documents. */
function unusedLayers(
  before: CacheContents,
  now: CacheContents,
  others: ReadonlySet<Digest>,
): { readonly digest: Digest; readonly size: number }[] {
  const kept = layersOfGraph(now.graph);
  return [...layersOfGraph(before.graph).values()].filter(({ digest }) => !kept.has(digest) && !others.has(digest));
}

/** Waits for a deletion. Returns false if the registry does not allow it, or if there is nothing to delete. */
export async function ifAllowed(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isVarveError(error, "remote", "not-found", "unauthorized")) return false;
    throw error;
  }
}
