import type { ContentStore } from "../../content/index.ts";
import { type Descriptor, type Digest, Limits, VarveError, isConfigType } from "../../core/index.ts";
import { checkImage } from "../check.ts";
import { isDocumentType, linkImage, loadDocument, readSmallBlob } from "../documents.ts";
import type { Index, Manifest } from "../types.ts";
import { entryName } from "./names.ts";
import type { LoadOptions, LoadedImage } from "./types.ts";

/** Names from `manifest.json` by the digest of the config, for entries of `index.json` without a name. */
export type NamesByConfig = ReadonlyMap<Digest, readonly string[]>;

function missingBlob(store: ContentStore, manifest: Manifest): Digest | undefined {
  const needed = manifest.layers.filter((layer) => (layer.urls?.length ?? 0) === 0);
  return [manifest.config, ...needed].find(({ digest }) => store.info(digest) === undefined)?.digest;
}

function incomplete(root: Descriptor, missing: Digest): VarveError {
  return new VarveError("corrupt", `Cannot load image ${root.digest}: the archive lacks blob ${missing}`, {
    details: { image: root.digest, blob: missing },
  });
}

/**
 * Checks that a manifest has all its parts and that they match, or that an index has at least one such entry. Other entries of an
 * index may be missing. Throws `corrupt` otherwise.
 */
async function checkWhole(store: ContentStore, root: Descriptor, options: LoadOptions): Promise<Manifest | Index> {
  if (store.info(root.digest) === undefined) throw incomplete(root, root.digest);
  const { document } = await loadDocument(store, root, options.signal);
  if (document.kind === "manifest") {
    await checkManifest(store, { root, entry: root, manifest: document }, options);
    return document;
  }
  const present = document.manifests.filter(({ digest }) => store.info(digest) !== undefined);
  for (const entry of present.filter(({ mediaType }) => isDocumentType(mediaType))) {
    const { document: part } = await loadDocument(store, entry, options.signal);
    if (part.kind === "manifest") await checkManifest(store, { root, entry, manifest: part }, options);
  }
  const [first] = document.manifests;
  if (present.length === 0 && first !== undefined) throw incomplete(root, first.digest);
  return document;
}

interface Entry {
  readonly root: Descriptor;
  readonly entry: Descriptor;
  readonly manifest: Manifest;
}

async function checkManifest(
  store: ContentStore,
  { root, entry, manifest }: Entry,
  { signal }: LoadOptions,
): Promise<void> {
  const missing = missingBlob(store, manifest);
  if (missing !== undefined) throw incomplete(root, missing);
  const { config, layers } = manifest;
  if (!isConfigType(config.mediaType)) return;
  checkImage({ manifest: entry, config, layers }, await readSmallBlob(store, config, Limits.config, signal));
}

function plain({ mediaType, digest, size, platform, artifactType }: Descriptor): Descriptor {
  return { mediaType, digest, size, ...(platform && { platform }), ...(artifactType && { artifactType }) };
}

/** Returns the images listed in `index.json` after checking and linking them. Their blobs are in the store. Other entries are skipped. */
export async function imagesOfIndex(
  store: ContentStore,
  index: Index,
  namesByConfig: NamesByConfig,
  options: LoadOptions,
): Promise<LoadedImage[]> {
  const found = new Map<Digest, { descriptor: Descriptor; names: Set<string> }>();
  for (const entry of index.manifests.filter(({ mediaType }) => isDocumentType(mediaType))) {
    const known = found.get(entry.digest);
    const image = known ?? { descriptor: plain(entry), names: new Set<string>() };
    found.set(entry.digest, image);
    const name = entryName(entry);
    if (name !== undefined) image.names.add(name);
    if (known !== undefined) continue;
    const document = await checkWhole(store, entry, options);
    await linkImage(store, entry, options.signal);
    options.lease.add("blob", entry.digest);
    if (document.kind === "manifest" && name === undefined)
      for (const other of namesByConfig.get(document.config.digest) ?? []) image.names.add(other);
  }
  return Array.from(found.values(), ({ descriptor, names }) => ({ descriptor, names: [...names] }));
}
