import type { StoredImage } from "../engine/index.ts";
import { ImageRelations, type LocalImage, type NamedImage, openAnyPlatform, openRelated } from "../image/index.ts";
import {
  type Descriptor,
  type Digest,
  type Platform,
  VarveError,
  digestHex,
  formatReference,
  hostPlatform,
  isDigest,
  parseReference,
} from "../core/index.ts";
import type { LocalImages } from "./types.ts";

/** An image in a store, with all its names. */
export interface ImageEntry {
  readonly image: LocalImage;
  /** The descriptor that its first name points to: an index or the manifest. The manifest if the image has no name. */
  readonly target: Descriptor;
  /** Normalised and sorted; empty for an image without a name. */
  readonly names: readonly string[];
}

export interface FoundImage extends ImageEntry {
  /** The name by which it was found; undefined if it was found by an ID or a digest. */
  readonly name: string | undefined;
}

/** Returns every image whose documents are in the store, with or without a name, sorted by ID. */
export async function allImageEntries(store: LocalImages, platform: Platform = hostPlatform()): Promise<ImageEntry[]> {
  const byId = new Map<Digest, ImageEntry>();
  const opened = new Map<Digest, Promise<LocalImage | undefined>>();
  for (const { name, descriptor } of store.images.list()) {
    const opening = opened.get(descriptor.digest) ?? openAnyPlatform(store, descriptor, platform);
    opened.set(descriptor.digest, opening);
    const image = await opening;
    if (image === undefined) continue;
    const known = byId.get(image.id);
    byId.set(image.id, { image, target: known?.target ?? descriptor, names: [...(known?.names ?? []), name] });
  }
  for (const relation of new ImageRelations(store.state).list()) {
    const image = byId.has(relation.id) ? undefined : await openRelated(store, relation, platform);
    if (image !== undefined) byId.set(image.id, { image, target: image.manifest, names: namesOf(store, image) });
  }
  return Array.from(byId.values()).sort((a, b) => (a.image.id < b.image.id ? -1 : 1));
}

function namesOf(store: LocalImages, { manifest }: LocalImage): string[] {
  return new ImageRelations(store.state).names(manifest.digest);
}

/**
 * Finds an image by name, `name@digest`, ID or manifest digest, or by the first 4 or more digits of an ID or digest. Returns
 * undefined if there is none.
 *
 * @throws {VarveError} `invalid-argument` if `text` is not a valid reference, or if several images match.
 */
export async function findImage(
  store: LocalImages,
  text: string,
  platform: Platform = hostPlatform(),
): Promise<FoundImage | undefined> {
  const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  const isWhole = isDigest(text) || hex?.length === 64;
  const named = isWhole || text === "" ? undefined : await byName(store, text, platform);
  if (named !== undefined || hex === undefined) return named;
  const matches = (digest: Digest): boolean => digestHex(digest).startsWith(hex);
  const all = await allImageEntries(store, platform);
  const found = all.filter(({ image, target }) => [image.id, image.manifest.digest, target.digest].some(matches));
  if (found.length > 1)
    throw new VarveError("invalid-argument", `Cannot use image ${text}: several images have an ID that begins with it`);
  return found[0] === undefined ? undefined : { ...found[0], name: undefined };
}

async function byName(store: LocalImages, text: string, platform: Platform): Promise<FoundImage | undefined> {
  const reference = parseReference(text);
  const stored = store.images.get(text);
  if (stored !== undefined) {
    const image = await openAnyPlatform(store, stored.descriptor, platform);
    if (image === undefined) return undefined;
    return { image, target: stored.descriptor, names: namesOf(store, image), name: stored.name };
  }
  const { digest, registry, repository } = reference;
  if (digest === undefined) return undefined;
  const prefix = formatReference({ registry, repository });
  const isOf = (name: string): boolean => name.startsWith(`${prefix}:`) || name.startsWith(`${prefix}@`);
  const all = await allImageEntries(store, platform);
  const found = all.find(
    ({ image, target, names }) => names.some(isOf) && [image.id, image.manifest.digest, target.digest].includes(digest),
  );
  return found === undefined ? undefined : { ...found, name: undefined };
}

/**
 * Returns the image that `findImage` finds.
 *
 * @throws {VarveError} `not-found` if there is none.
 */
export async function requireImage(store: LocalImages, text: string): Promise<StoredImage> {
  const named = isHex(text) ? undefined : store.images.get(text);
  if (named !== undefined) return named;
  const found = await findImage(store, text);
  if (found !== undefined) return { name: found.name ?? found.names[0], descriptor: found.target };
  throw new VarveError("not-found", `Cannot find image ${text}: no such image in the store`, {
    hint: "To list the images: varve images",
  });
}

/**
 * Returns the image that `findImage` finds, with a name.
 *
 * @throws {VarveError} `not-found` if there is none, `invalid-argument` if it has no name.
 */
export async function requireNamedImage(store: LocalImages, text: string): Promise<NamedImage> {
  const { name, descriptor } = await requireImage(store, text);
  const named = name === undefined ? undefined : store.images.get(name);
  if (named !== undefined) return named;
  throw new VarveError("invalid-argument", `Cannot use image ${text}: it has no name`, {
    hint: `To name it: varve tag ${descriptor.digest} NAME`,
  });
}

function isHex(text: string): boolean {
  return isDigest(text) || /^[0-9a-f]{64}$/.test(text);
}
