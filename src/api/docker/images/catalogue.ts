import type { Store } from "../../../build/index.ts";
import {
  type Descriptor,
  type Digest,
  Annotation,
  type Reference,
  type VarveError,
  digestHex,
  familiarReference,
  formatReference,
  hostPlatform,
  isDigest,
  parseReference,
  withDefaultTag,
} from "../../../core/index.ts";
import { type Image, type NamedImage, isImageEntry, loadDocument, openImage } from "../../../image/index.ts";
import { refusal } from "../errors.ts";

/** The name under which an image without a name is kept, as Docker does on containerd. */
const UNTAGGED = "moby-dangling";

/** An image as the API knows it: one config, any number of names. */
export interface ApiImage {
  /** Digest of the config. */
  readonly id: Digest;
  /** What the first of the names stands for: of an index if it is of one. */
  readonly target: Descriptor;
  readonly image: Image;
  /** The rows that keep it; one of them alone is its place if it has no name. */
  readonly rows: readonly NamedImage[];
  readonly references: readonly Reference[];
}

/** Every image of a store whose parts are here. Newest first, as listings have it. */
export async function listCatalogue({ images, content }: Store): Promise<ApiImage[]> {
  const opened = new Map<Digest, Promise<Image | undefined>>();
  const byId = new Map<Digest, { image: Image; rows: NamedImage[] }>();
  for (const row of images.list()) {
    const { digest } = row.descriptor;
    const image = await (opened.get(digest) ?? opened.set(digest, openAny(content, row.descriptor)).get(digest));
    if (image === undefined) continue;
    const known = byId.get(image.manifest.config.digest);
    if (known === undefined) byId.set(image.manifest.config.digest, { image, rows: [row] });
    else known.rows.push(row);
  }
  return Array.from(byId, ([id, { image, rows }]) => ({
    id,
    image,
    rows,
    target: (rows[0] as NamedImage).descriptor,
    references: rows.map(({ name }) => parseReference(name)).filter((reference) => !isUntagged(reference)),
  }));
}

/** The image of this machine's platform, or the first there is; undefined if its parts are not here. */
async function openAny(content: Store["content"], descriptor: Descriptor): Promise<Image | undefined> {
  try {
    return await openImage(content, descriptor, hostPlatform());
  } catch {
    return await openFirst(content, descriptor);
  }
}

async function openFirst(content: Store["content"], descriptor: Descriptor): Promise<Image | undefined> {
  try {
    const { document } = await loadDocument(content, descriptor);
    const there = document.kind === "index" ? document.manifests.filter(isImageEntry) : [];
    const first = there.find(({ digest }) => content.info(digest) !== undefined);
    return first === undefined ? undefined : await openImage(content, first, hostPlatform());
  } catch {
    return undefined;
  }
}

function isUntagged({ registry, repository }: Reference): boolean {
  return registry === "docker.io" && repository === `library/${UNTAGGED}`;
}

/** Keeps an image that has no name; nothing happens if it has one, or is kept already. */
export function keepUntagged({ images }: Store, descriptor: Descriptor): void {
  const { digest } = descriptor;
  if (!images.list().some((row) => row.descriptor.digest === digest)) images.tag(`${UNTAGGED}@${digest}`, descriptor);
}

/** Gives an image a name. What had that name stays as an untagged image; the image itself is one no longer. */
export function giveName(store: Store, name: string, descriptor: Descriptor): void {
  const before = store.images.get(name)?.descriptor;
  store.state.transaction(() => {
    store.images.tag(name, descriptor);
    store.images.remove(`${UNTAGGED}@${descriptor.digest}`);
    if (before !== undefined) keepUntagged(store, before);
  });
}

/** A name as its user would write it, with its tag or digest. */
export function familiar(reference: Reference): string {
  return familiarReference(reference);
}

/** `name@digest` for each repository of a registry that is known to have the image. */
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

/** The image of a name, a digest, or the beginning of an id. Throws 404, or 400 for what can be none of them. */
export async function findImage(store: Store, name: string): Promise<ApiImage> {
  const all = await listCatalogue(store);
  const reference = referenceOf(name);
  const found = (reference === undefined ? undefined : byReference(all, reference)) ?? byId(all, name);
  if (found !== undefined) return found;
  throw notHere(name, reference);
}

function notHere(name: string, reference: Reference | undefined): VarveError {
  const shown = reference === undefined ? name : familiarReference(withDefaultTag(reference));
  return refusal(404, `No such image: ${shown}`);
}

/** Undefined for an id. Throws 400 for what is no reference. */
export function referenceOf(name: string): Reference | undefined {
  if (isDigest(name) || /^[0-9a-f]{64}$/.test(name)) return undefined;
  try {
    return parseReference(name);
  } catch (error) {
    throw refusal(400, "invalid reference format", error);
  }
}

function byReference(all: readonly ApiImage[], reference: Reference): ApiImage | undefined {
  const { digest } = reference;
  if (digest === undefined) {
    const wanted = formatReference(withDefaultTag(reference));
    return all.find(({ references }) => references.some((each) => formatReference(each) === wanted));
  }
  const isOf = ({ registry, repository }: Reference): boolean =>
    registry === reference.registry && repository === reference.repository;
  return all.find(
    ({ rows, references, image, id }) =>
      references.some(isOf) &&
      [id, image.descriptor.digest, ...rows.map((row) => row.descriptor.digest)].includes(digest),
  );
}

function byId(all: readonly ApiImage[], name: string): ApiImage | undefined {
  const hex = name.replace(/^sha256:/, "");
  if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
  const starts = (digest: Digest): boolean => digestHex(digest).startsWith(hex);
  const found = all.filter(({ id, image, target }) => [id, image.descriptor.digest, target.digest].some(starts));
  if (found.length > 1) throw refusal(404, `No such image: ${name}: several images begin with it`);
  return found[0];
}

/** Bytes of the layers, as they are stored. */
export function sizeOf({ image }: ApiImage): number {
  return image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
}
