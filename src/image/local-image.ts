import { type Descriptor, type Digest, type Platform, isVarveError, parseGoTime } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { Database } from "../state/index.ts";
import { isImageEntry } from "./check.ts";
import { loadDocument } from "./documents.ts";
import { openImage } from "./open.ts";
import { ImageRelations, type Relation } from "./relations.ts";
import type { ContainerConfig, ImageConfig, ImageLayer } from "./types.ts";

/** Where the documents of images and what is known of them beside these are kept. */
export interface ImageDocumentsStore {
  readonly content: ContentStore;
  readonly state: Database;
}

/** An image of one platform whose manifest and config are in the store. */
export interface LocalImage {
  /** Digest of the config. */
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  /** ID of the image it was made from, which may be gone. Undefined for one made from nothing, pulled or loaded. */
  readonly parent: Digest | undefined;
  /** True if a step or a commit on this machine made it. */
  readonly builtHere: boolean;
  /** The container config it was committed with. Undefined for an image that was not built here. */
  readonly containerConfig: ContainerConfig | undefined;
}

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

/** The image for a platform, or the first of an index whose documents are here; undefined if none can be read. */
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

/** The image of a relation; undefined if its documents are gone or damaged. Only a cancellation is thrown. */
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

/** Nanoseconds since 1970; undefined for an image that does not say when it was made. */
export function createdAt({ created }: ImageConfig): bigint | undefined {
  return typeof created === "string" ? parseGoTime(created) : undefined;
}
