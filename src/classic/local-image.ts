import { type Descriptor, type Platform, isVarveError } from "../core/index.ts";
import { type ContainerConfig, type ImageLayer, isImageEntry, loadDocument, openImage } from "../image/index.ts";
import type { Hold, RecordId, Records } from "../record/index.ts";
import type { Lease } from "../content/index.ts";
import { ImageRelations, type Relation } from "./relations.ts";
import type { ClassicStore, LocalImage } from "./types.ts";

/** What containers are started with and images do not keep. */
const RUNTIME = new Set<keyof ContainerConfig>([
  "Hostname",
  "Domainname",
  "AttachStdin",
  "AttachStdout",
  "AttachStderr",
  "Tty",
  "OpenStdin",
  "StdinOnce",
  "Image",
  "NetworkDisabled",
  "MacAddress",
  "StopTimeout",
]);

/** The fields of a container config that an image's config keeps. */
export function imageFields(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !RUNTIME.has(key as keyof ContainerConfig)));
}

/** The image of a manifest, or of an index's entry for a platform. Throws as `openImage`. */
export async function openLocalImage(
  { content, state }: Pick<ClassicStore, "content" | "state">,
  target: Descriptor,
  platform: Platform,
  signal?: AbortSignal,
): Promise<LocalImage> {
  const image = await openImage(content, target, platform, signal && { signal });
  const id = image.manifest.config.digest;
  const relation = new ImageRelations(state).get(id);
  return {
    id,
    manifest: image.descriptor,
    config: image.config,
    layers: image.layers,
    parent: relation?.parent,
    builtHere: relation?.builtHere ?? false,
    containerConfig: relation?.containerConfig,
  };
}

/** The image for a platform, or the first of an index whose documents are here; undefined if none can be read. */
export async function openAnyPlatform(
  store: ClassicStore,
  target: Descriptor,
  platform: Platform,
): Promise<LocalImage | undefined> {
  const wanted = await orUndefined(openLocalImage(store, target, platform));
  if (wanted !== undefined) return wanted;
  const loaded = await orUndefined(loadDocument(store.content, target));
  const entries = loaded?.document.kind === "index" ? loaded.document.manifests.filter(isImageEntry) : [];
  for (const entry of entries) {
    const image = await orUndefined(openLocalImage(store, entry, platform));
    if (image !== undefined) return image;
  }
  return undefined;
}

/** The image of a relation; undefined if its documents are gone or damaged. Only a cancellation is thrown. */
export async function openRelated(
  store: ClassicStore,
  relation: Relation,
  platform: Platform,
): Promise<LocalImage | undefined> {
  const image = await orUndefined(openLocalImage(store, relation.manifest, platform));
  return image?.id === relation.id ? image : undefined;
}

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isVarveError(error, "cancelled")) throw error;
    return undefined;
  }
}

/** The filesystem of an image. Layers stay blobs until somebody needs the tree. */
export function recordOf(image: { readonly layers: readonly ImageLayer[] }, records: Records, lease: Lease): RecordId {
  const layers = image.layers.map(({ diffId, descriptor: { digest, size, mediaType } }) => ({
    diffId,
    digest,
    size,
    mediaType,
    sources: [],
    annotations: {},
  }));
  return records.addChain(layers, lease);
}

/** Has the lease keep an image; false if the image has gone. */
export function holdImage({ manifest }: LocalImage, { state, content }: ClassicStore, { lease }: Hold): boolean {
  return state.transaction(() => {
    if (content.info(manifest.digest) === undefined) return false;
    lease.add("blob", manifest.digest);
    return true;
  });
}
