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
import {
  type Removal,
  findImage,
  imageHistory as localHistory,
  listImages as listLocal,
  openLocalImage,
  removeImage as removeLocal,
} from "../classic/index.ts";
import type { Bytes } from "../io/index.ts";
import {
  type ArchiveFormat,
  type Image,
  type NamedImage,
  checkImage,
  isImageEntry,
  loadArchive,
  loadDocument,
  openImage,
  walkDescriptors,
  writeArchive,
} from "../image/index.ts";
import type { OnWait } from "../io/index.ts";
import type { OnTransfer } from "../registry/index.ts";
import { againIfDamaged, mending, restoreImages } from "./mend.ts";
import type { Store } from "./store.ts";

/** An image in a store as listings show it. */
export interface ImageSummary {
  /** Normalised; undefined for an image that has none. */
  readonly name: string | undefined;
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
  /** Told of what is waited for. */
  readonly onWait?: OnWait;
}

/** Pulls an image with all its layers and keeps it under its name. What is here already is read, and fetched again if it is damaged. */
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
    check: checkImage,
    present: "verify",
    signal: options.signal,
    onEvent: options.onTransfer,
    ...(options.onWait && { onWait: options.onWait }),
  });
  images.tag(formatReference(reference), target);
  return await requireNamed(store, formatReference(reference));
}

/** Pushes an image to the registry its name says. A layer that was never pulled is fetched, or mounted there. */
export async function pushImage(store: Store, name: string, options: TransferOptions = {}): Promise<NamedImage> {
  const image = await requireNamed(store, name);
  const { push } = await import("../registry/index.ts");
  const { signal, onWait, onTransfer: onEvent } = options;
  const how = { store: store.content, signal, onWait, onEvent };
  const registry = await store.registry();
  await using lease = await store.content.lease();
  await mending(store, [image], { lease, signal, onWait }, () =>
    push(registry, [parseReference(image.name)], { ...how, target: image.descriptor }),
  );
  return image;
}

/** Gives an image a further name. */
export async function tagImage(store: Store, source: string, name: string): Promise<void> {
  const { descriptor } = await requireImage(store, source);
  store.images.tag(formatReference(withDefaultTag(parseReference(name))), descriptor);
}

/**
 * Takes a name from its image, or removes the image of an id. With the last name goes the image, and the untagged steps that
 * only it needed, unless other images were made from it; blobs go with the next collection. Throws `not-found` or `busy`.
 */
export async function removeImage(
  store: Store,
  name: string,
  options: { readonly force?: boolean; readonly noPrune?: boolean } = {},
): Promise<Removal[]> {
  return await removeLocal(store, name, options);
}

/** What is in a store under a name, or kept there without one. */
export interface StoredImage {
  readonly name: string | undefined;
  readonly descriptor: Descriptor;
}

/** The image of a name, or of a digest, an id or the beginning of one. Throws `not-found`. */
export async function requireImage(store: Store, text: string): Promise<StoredImage> {
  const named = isHex(text) ? undefined : store.images.get(text);
  if (named !== undefined) return named;
  const found = await findImage(store, text);
  if (found !== undefined) return { name: found.name ?? found.names[0], descriptor: found.target };
  throw new VarveError("not-found", `Cannot find image ${text}: no such image in the store`, {
    hint: "varve images lists what is here",
  });
}

async function requireNamed(store: Store, text: string): Promise<NamedImage> {
  const { name, descriptor } = await requireImage(store, text);
  const named = name === undefined ? undefined : store.images.get(name);
  if (named !== undefined) return named;
  throw new VarveError("invalid-argument", `Cannot use image ${text}: it has no name`, {
    hint: `varve tag ${descriptor.digest} NAME gives it one`,
  });
}

function isHex(text: string): boolean {
  return isDigest(text) || /^[0-9a-f]{64}$/.test(text);
}

/** Images with a name, in order of it, then those without, newest first. Steps of others are among these if `all` is set. */
export async function listImages(
  store: Store,
  { all = false }: { readonly all?: boolean } = {},
): Promise<ImageSummary[]> {
  const local = await listLocal(store, { all });
  const unnamed = local.filter(({ names }) => names.length === 0);
  const listed = [
    ...store.images.list(),
    ...unnamed.map(({ image }) => ({ name: undefined, descriptor: image.manifest })),
  ];
  return await Promise.all(listed.map((image) => summarize(store, image)));
}

async function summarize(store: Store, { name, descriptor }: StoredImage): Promise<ImageSummary> {
  const base = { name, digest: descriptor.digest, size: await againIfDamaged(() => sizeOf(store, descriptor)) };
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
  const named = await requireImage(store, name);
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
  /** Id of the image it left, if that is here. */
  readonly image: Digest | undefined;
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
  const image = await openLocalImage(store, (await requireImage(store, name)).descriptor, platform);
  return localHistory(store, image).map(({ id, entry, size, layer }) => ({
    image: id,
    created: entry.created,
    createdBy: entry.created_by ?? "",
    comment: entry.comment ?? "",
    size,
    layer,
  }));
}

export interface SaveOptions {
  readonly format?: ArchiveFormat;
  readonly signal?: AbortSignal;
}

/**
 * Several images as one archive. What was lost of them is brought back first. Fails before its end if a blob turns out to be
 * damaged: the next archive has it again.
 */
export async function* saveImages(
  store: Store,
  names: readonly string[],
  options: SaveOptions = {},
): Bytes & AsyncGenerator<Uint8Array> {
  const images = await Promise.all(names.map((name) => requireImage(store, name)));
  await using lease = await store.content.lease();
  await restoreImages(store, images, { lease, signal: options.signal });
  yield* archiveOf(store, images, options);
}

/** As `saveImages`, to a file or with `-` to standard output. A file is begun anew where a blob turns out to be damaged. */
export async function saveImagesTo(
  dest: string,
  store: Store,
  names: readonly string[],
  options: SaveOptions = {},
): Promise<void> {
  const { writeDest } = await import("../export/index.ts");
  const images = await Promise.all(names.map((name) => requireImage(store, name)));
  await using lease = await store.content.lease();
  const hold = { lease, signal: options.signal };
  await mending(store, images, hold, () => writeDest(dest, archiveOf(store, images, options), hold));
}

function archiveOf(
  store: Store,
  images: readonly StoredImage[],
  { format = "docker", signal }: SaveOptions,
): Bytes & AsyncGenerator<Uint8Array> {
  const byDescriptor = Map.groupBy(images, (image) => image.descriptor.digest);
  const written = [...byDescriptor.values()].map((group) => ({
    descriptor: (group[0] as StoredImage).descriptor,
    names: group.flatMap((image) => image.name ?? []),
  }));
  return writeArchive(store.content, {
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
