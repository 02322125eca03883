import type { Store } from "../../../engine/index.ts";
import { type ImageEntry, findImage as findEntry, allImageEntries, listImageEntries } from "../../../images/index.ts";
import {
  Annotation,
  type Descriptor,
  type Digest,
  type Platform,
  type Reference,
  type VarveError,
  familiarReference,
  formatPlatform,
  formatReference,
  isDigest,
  isVarveError,
  parseReference,
  withDefaultTag,
} from "../../../core/index.ts";
import { type ContainerConfig, type ImageConfig, type ImageLayer, configPlatform } from "../../../image/index.ts";
import { apiError } from "../errors.ts";

/** An image as the API shows it: one config with any number of names. */
export interface ApiImage {
  /** Digest of the config. */
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  readonly parent: Digest | undefined;
  /** The container config of the commit; undefined for an image that was not built here. */
  readonly containerConfig: ContainerConfig | undefined;
  /** Descriptor that the first name refers to: an index for a multi-platform image, the manifest otherwise. */
  readonly target: Descriptor;
  readonly references: readonly Reference[];
}

function apiImage({ image, target, names }: ImageEntry): ApiImage {
  const { id, manifest, config, layers, parent, containerConfig } = image;
  return { id, manifest, config, layers, parent, containerConfig, target, references: names.map(parseReference) };
}

/** Returns every image whose blobs are all in the store. */
export async function allApiImages(store: Store): Promise<ApiImage[]> {
  return (await allImageEntries(store)).map(apiImage);
}

/** Returns images, newest first. Omits intermediate images unless `all` is set. */
export async function listApiImages(store: Store, all: boolean): Promise<ApiImage[]> {
  return (await listImageEntries(store, { all })).map(apiImage);
}

/**
 * Returns the image with a name, a digest, or an ID prefix; with `platform`, that platform of it. Throws 404 if there is no
 * such image, and 400 if `name` is malformed.
 */
export async function findImage(store: Store, name: string, platform?: Platform): Promise<ApiImage> {
  const reference = referenceOf(name);
  const found = await findEntry(store, name, platform).catch((error: unknown) => {
    // Docker reports an ambiguous ID prefix as an unknown image.
    if (!isVarveError(error, "invalid-argument", "not-found")) throw error;
    return undefined;
  });
  if (found === undefined) throw noSuchImage(name, reference);
  if (platform !== undefined) checkPlatform(found, platform, name);
  return apiImage(found);
}

function checkPlatform({ image }: ImageEntry, platform: Platform, name: string): void {
  const has = configPlatform(image.config);
  if (has !== undefined && formatPlatform(has) === formatPlatform(platform)) return;
  throw apiError(
    404,
    `image with reference ${name} was found but does not provide the specified platform (${formatPlatform(platform)})`,
  );
}

export function noSuchImage(name: string, reference: Reference | undefined = referenceOf(name)): VarveError {
  const shown = reference === undefined ? name : familiarReference(withDefaultTag(reference));
  return apiError(404, `No such image: ${shown}`);
}

/** Parses a name; undefined for an ID. Throws 400 if it is malformed. */
export function referenceOf(name: string): Reference | undefined {
  if (isDigest(name) || /^(?:sha256:)?[0-9a-f]{64}$/.test(name) || /^sha256:[0-9a-f]{4,64}$/.test(name))
    return undefined;
  try {
    return parseReference(name);
  } catch (error) {
    throw apiError(400, "invalid reference format", error);
  }
}

/** Returns `name@digest` for each repository in which a registry is known to have the image. */
export function repoDigests({ references, target }: ApiImage, { content }: Store): string[] {
  const labels = content.info(target.digest)?.labels ?? new Map<string, string>();
  const found = references.flatMap(({ registry, repository, digest }) => {
    const there = (labels.get(`${Annotation.distributionSource}${registry}`) ?? "").split(",").includes(repository);
    const known = digest ?? (there ? target.digest : undefined);
    return known === undefined ? [] : [familiarReference({ registry, repository, digest: known })];
  });
  return [...new Set(found)];
}

export function repoTags({ references }: ApiImage): string[] {
  return references.filter(({ tag, digest }) => tag !== undefined && digest === undefined).map(familiarReference);
}

/** Returns the size of the layers' blobs in bytes. */
export function sizeOf({ layers }: ApiImage): number {
  return layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
}

/** Returns when the image was last tagged, in ms since the epoch; undefined for an image without a name. */
export function taggedAt({ references }: ApiImage, { images }: Store): number | undefined {
  const times = references.flatMap((reference) => images.get(formatReference(reference))?.updatedAt ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}
