import { type Descriptor, type Digest, type Platform, isVarveError, parseGoTime } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { Database } from "../state/index.ts";
import { isImageEntry } from "./check.ts";
import { loadDocument } from "./documents.ts";
import { openImage } from "./open.ts";
import { ImageRelations, type Relation } from "./relations.ts";
import type { ContainerConfig, ImageConfig, ImageLayer } from "./types.ts";

/** The parts of a store that have the documents of images and their relations. */
export interface ImageDocumentsStore {
  readonly content: ContentStore;
  readonly state: Database;
}

/** An image of one platform whose manifest and config are in the store, with its relations. */
export interface LocalImage {
  /** Digest of the config. */
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  /** ID of the image it was built from, which may no longer exist. Undefined if it was built from scratch, pulled or loaded. */
  readonly parent: Digest | undefined;
  /** True if it was built or committed on this machine. */
  readonly builtHere: boolean;
  /** The container config that it was committed with. Undefined for an image that was not built here. */
  readonly containerConfig: ContainerConfig | undefined;
}

/** Fields of a container config that are not part of an image's config. */
const RUNTIME_FIELDS: ReadonlySet<string> = new Set<keyof ContainerConfig>([
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

/** Returns a container config without the fields that an image's config does not keep. */
export function imageFields(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !RUNTIME_FIELDS.has(key)));
}

/** Returns the image of a manifest, or of an index's entry for a platform. Throws as `openImage`. */
export async function openLocalImage(
  { content, state }: ImageDocumentsStore,
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

/** Returns the image for a platform, or else the first readable image of an index. Returns undefined if there is none. */
export async function openAnyPlatform(
  store: ImageDocumentsStore,
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

/** Returns the image of a relation, or undefined if its documents are missing or damaged. Throws only `cancelled`. */
export async function openRelated(
  store: ImageDocumentsStore,
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

/** Returns when an image was created, in nanoseconds since 1970, or undefined if its config has no time. */
export function createdAt({ created }: ImageConfig): bigint | undefined {
  return typeof created === "string" ? parseGoTime(created) : undefined;
}
