import { type Descriptor, type Digest, VarveError, formatReference, isVarveError } from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import { readContainer } from "../document/container.ts";
import { encodeContents, formOf } from "./codec.ts";
import { type PruneTargetOptions, type PrunedTarget, prunedContents } from "./prune.ts";
import { type RegistryPlace, standingDigest, standingInRegistry } from "./registry-document.ts";
import { type CacheContents, layersOfGraph } from "./scopes.ts";

/** Tags of the repository that are looked at; where there are more, no blob is deleted. */
const MAX_TAGS = 500;

export interface PruneRegistryOptions extends PruneTargetOptions {
  /**
   * Also deletes blobs that the document needed and no tag of the repository needs any more. Images that go by their digest
   * only are not seen: leave it off where there are such.
   */
  readonly deleteBlobs?: boolean | undefined;
}

/**
 * Makes the cache under a tag smaller; if nothing of it stays, the tag goes. What is left of the old document is deleted as
 * far as the registry allows that. Throws `not-found` if no cache is there, `busy` if another writes meanwhile.
 */
export async function pruneRegistryTarget(
  place: RegistryPlace,
  options: PruneRegistryOptions = {},
): Promise<PrunedTarget> {
  const { signal, deleteBlobs = false } = options;
  const name = formatReference(place.reference);
  const { descriptor, contents } = await standingInRegistry(place, () => undefined, { signal });
  if (descriptor === undefined || contents === undefined)
    throw new VarveError("not-found", `Cannot prune cache ${name}: there is none`);
  const { contents: kept, lost } = prunedContents(contents, options);
  if (lost.generations === 0) return { ...lost, blobs: 0, bytes: 0 };
  const isEmpty = kept.generations.length === 0;
  if (!isEmpty) await replace(place, descriptor, kept, signal);
  const others = await documentsOf(place, isEmpty ? place.reference.tag : undefined, signal);
  if (others?.has(descriptor.digest) === false)
    await ifAllowed(place.registry.deleteManifest({ ...place.reference, digest: descriptor.digest }, { signal }));
  const unused = deleteBlobs && others !== undefined ? unneeded(contents, kept, others) : [];
  let [blobs, bytes] = [0, 0];
  for (const { digest, size } of unused) {
    if (!(await ifAllowed(place.registry.deleteBlob(place.reference, digest, { signal })))) break;
    blobs += 1;
    bytes += size;
  }
  return { ...lost, blobs, bytes };
}

async function replace(
  place: RegistryPlace,
  old: Descriptor,
  contents: CacheContents,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { registry, reference } = place;
  const { config, manifest } = encodeContents(contents, formOf(old.mediaType));
  await registry.pushBlob(reference, config.descriptor, (offset) => bytesOf(config.bytes.subarray(offset)), { signal });
  if ((await standingDigest(place, { signal })) !== old.digest)
    throw new VarveError("busy", `Cannot prune cache ${formatReference(reference)}: another has just written to it`);
  await registry.pushManifest(reference, manifest.descriptor, manifest.bytes, { signal });
}

/** Digests of everything that the tags of the repository but one lead to; undefined if that cannot be told. */
async function documentsOf(
  { registry, reference }: RegistryPlace,
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
      for (const { digest } of needed(bytes, (child) => open.push(child))) found.add(digest);
    } catch (error) {
      if (!isVarveError(error) || isVarveError(error, "cancelled")) throw error;
      return undefined;
    }
  }
  return found;
}

/** The blobs of a document; those of an index that are documents themselves go to `onChild`. */
function needed(bytes: Uint8Array, onChild: (child: { readonly digest: Digest }) => void): readonly Descriptor[] {
  const container = readContainer(bytes);
  if (container.kind === "cache") return [container.config, ...container.layers];
  const { document } = container;
  if (document.kind === "manifest") return [...(document.config ? [document.config] : []), ...document.layers];
  for (const { digest } of document.manifests) onChild({ digest });
  return document.manifests;
}

function unneeded(
  before: CacheContents,
  now: CacheContents,
  others: ReadonlySet<Digest>,
): { readonly digest: Digest; readonly size: number }[] {
  const kept = layersOfGraph(now.graph);
  return [...layersOfGraph(before.graph).values()].filter(({ digest }) => !kept.has(digest) && !others.has(digest));
}

/** False if the registry does not do that, or has no such thing. */
async function ifAllowed(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isVarveError(error, "remote", "not-found", "unauthorized")) return false;
    throw error;
  }
}
