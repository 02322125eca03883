import {
  type Descriptor,
  type Digest,
  type Platform,
  VarveError,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  isDigest,
  parseReference,
  withDefaultTag,
} from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import {
  type ArchiveFormat,
  type Image,
  type NamedImage,
  isImageEntry,
  loadArchive,
  loadDocument,
  openImage,
  walkDescriptors,
  writeArchive,
} from "../image/index.ts";
import type { OnTransfer } from "../registry/index.ts";
import type { Store } from "./store.ts";

/** An image in a store as listings show it. */
export interface ImageSummary {
  /** Normalised; undefined for an image that lost its name. */
  readonly name: string;
  /** What the name stands for: of an index if there is one. */
  readonly digest: Digest;
  /** Digest of the config: what Docker calls the image's id. Undefined if the image's parts are not here. */
  readonly id: Digest | undefined;
  readonly platforms: readonly string[];
  /** RFC 3339. */
  readonly created: string | undefined;
  /** Bytes of everything the image reaches, as stored. */
  readonly size: number;
}

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onTransfer?: OnTransfer;
}

/** Pulls an image with all its layers and keeps it under its name. */
export async function pullImage(
  store: Store,
  name: string,
  options: TransferOptions & { readonly platform?: Platform | "all" } = {},
): Promise<NamedImage> {
  const reference = withDefaultTag(parseReference(name));
  const { content, images } = store;
  const { pull } = await import("../registry/index.ts");
  await using lease = await content.lease();
  const { target } = await pull(await store.registry(), reference, {
    platform: options.platform ?? hostPlatform(),
    store: content,
    lease,
    signal: options.signal,
    onEvent: options.onTransfer,
  });
  images.tag(formatReference(reference), target);
  return requireImage(store, formatReference(reference));
}

/** Pushes an image to the registry its name says. A layer that was never pulled is fetched, or mounted there. */
export async function pushImage(store: Store, name: string, options: TransferOptions = {}): Promise<NamedImage> {
  const image = requireImage(store, name);
  const { push } = await import("../registry/index.ts");
  await push(await store.registry(), [parseReference(image.name)], {
    store: store.content,
    target: image.descriptor,
    signal: options.signal,
    onEvent: options.onTransfer,
  });
  return image;
}

/** Gives an image a further name. */
export function tagImage(store: Store, source: string, name: string): void {
  store.images.tag(formatReference(withDefaultTag(parseReference(name))), requireImage(store, source).descriptor);
}

/** Takes a name from its image; the image goes with the next collection unless something else keeps it. */
export function removeImage(store: Store, name: string): string {
  const image = requireImage(store, name);
  store.images.remove(image.name);
  return image.name;
}

/** The image of a name, or of a digest or an id of at least 7 hexadecimal digits. Throws `not-found`. */
export function requireImage(store: Store, name: string): NamedImage {
  const found = isHex(name) ? byDigest(store, name) : store.images.get(name);
  if (found !== undefined) return found;
  throw new VarveError("not-found", `Cannot find image ${name}: no such image in the store`, {
    hint: "varve images lists what is here",
  });
}

function isHex(name: string): boolean {
  return isDigest(name) || /^(?:sha256:)?[0-9a-f]{7,64}$/.test(name);
}

function byDigest(store: Store, text: string): NamedImage | undefined {
  const hex = text.replace(/^sha256:/, "");
  const found = store.images.list().filter(({ descriptor }) => descriptor.digest.startsWith(`sha256:${hex}`));
  if (new Set(found.map(({ descriptor }) => descriptor.digest)).size > 1)
    throw new VarveError("invalid-argument", `Cannot use ${text}: several images begin with it`);
  return found[0] ?? (isDigest(text) ? undefined : store.images.get(text));
}

export async function listImages(store: Store): Promise<ImageSummary[]> {
  return await Promise.all(store.images.list().map((image) => summarize(store, image)));
}

async function summarize(store: Store, { name, descriptor }: NamedImage): Promise<ImageSummary> {
  const base = { name, digest: descriptor.digest, size: await sizeOf(store, descriptor) };
  try {
    const manifests = await manifestsOf(store, descriptor);
    const image = await openImage(store.content, descriptor, hostPlatform()).catch(() =>
      openImage(store.content, manifests[0] ?? descriptor, hostPlatform()),
    );
    const platforms = manifests.flatMap(({ platform }) =>
      platform === undefined
        ? []
        : [`${platform.os}/${platform.architecture}${platform.variant === undefined ? "" : `/${platform.variant}`}`],
    );
    const own = image.platform === undefined ? [] : [formatPlatform(image.platform)];
    return {
      ...base,
      id: image.manifest.config.digest,
      platforms: platforms.length > 0 ? platforms : own,
      created: image.config.created ?? undefined,
    };
  } catch {
    return { ...base, id: undefined, platforms: [], created: undefined };
  }
}

async function manifestsOf(store: Store, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  const { document } = await loadDocument(store.content, descriptor);
  return document.kind === "index" ? document.manifests.filter(isImageEntry) : [descriptor];
}

async function sizeOf(store: Store, root: Descriptor): Promise<number> {
  const sizes = new Map<Digest, number>();
  for await (const { descriptor } of walkDescriptors(store.content, root, { allowMissing: true })) {
    sizes.set(descriptor.digest, store.content.info(descriptor.digest)?.size ?? 0);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** An image of one platform: manifest and config. */
export async function inspectImage(
  store: Store,
  name: string,
  platform: Platform = hostPlatform(),
): Promise<{
  readonly names: readonly string[];
  readonly digest: Digest;
  readonly image: Image;
  readonly size: number;
}> {
  const named = requireImage(store, name);
  const names = store.images
    .list()
    .filter(({ descriptor }) => descriptor.digest === named.descriptor.digest)
    .map((image) => image.name);
  return {
    names,
    digest: named.descriptor.digest,
    image: await openImage(store.content, named.descriptor, platform),
    size: await sizeOf(store, named.descriptor),
  };
}

/** One instruction of an image's past, youngest first. */
export interface HistoryLine {
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  /** Bytes of its layer as stored; 0 if it made none. */
  readonly size: number;
  readonly layer: Digest | undefined;
}

export async function imageHistory(
  store: Store,
  name: string,
  platform: Platform = hostPlatform(),
): Promise<HistoryLine[]> {
  const { image } = await inspectImage(store, name, platform);
  let next = 0;
  const lines = image.config.history.map((entry): HistoryLine => {
    const layer = entry.empty_layer === true ? undefined : image.layers[next++];
    return {
      created: entry.created,
      createdBy: entry.created_by ?? "",
      comment: entry.comment ?? "",
      size: layer?.descriptor.size ?? 0,
      layer: layer?.descriptor.digest,
    };
  });
  return lines.toReversed();
}

/** Several images as one archive. Layers that were never pulled are fetched first. */
export async function* saveImages(
  store: Store,
  names: readonly string[],
  { format = "docker", signal }: { readonly format?: ArchiveFormat; readonly signal?: AbortSignal } = {},
): Bytes & AsyncGenerator<Uint8Array> {
  const images = names.map((name) => requireImage(store, name));
  const byDescriptor = Map.groupBy(images, (image) => image.descriptor.digest);
  const written = [...byDescriptor.values()].map((group) => ({
    descriptor: (group[0] as NamedImage).descriptor,
    names: group.map((image) => image.name),
  }));
  yield* writeArchive(store.content, {
    images: written,
    format,
    created: Math.floor(Date.now() / 1000),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The images of an archive, kept under their names. Returns the names, and the digests of images that have none. */
export async function loadImages(
  store: Store,
  bytes: Bytes,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<string[]> {
  await using lease = await store.content.lease();
  const loaded = await loadArchive(store.content, bytes, { lease, ...(signal === undefined ? {} : { signal }) });
  return loaded.flatMap(({ descriptor, names }) => {
    for (const name of names) store.images.tag(name, descriptor);
    return names.length > 0 ? names.map((name) => familiarReference(parseReference(name))) : [descriptor.digest];
  });
}
