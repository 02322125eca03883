import type { ContentStore } from "../../content/index.ts";
import { type Descriptor, type Digest, VarveError } from "../../core/index.ts";
import { isDocumentType, linkImage, loadDocument } from "../documents.ts";
import type { Index, Manifest } from "../types.ts";
import { entryName } from "./names.ts";
import type { LoadOptions, LoadedImage } from "./types.ts";

/** Names of manifests by the digest of their config, where `index.json` gives none: from `manifest.json`. */
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

/** Throws unless a manifest has all its parts, and an index all parts of at least one entry; the rest may be absent. */
async function checkComplete(store: ContentStore, root: Descriptor, options: LoadOptions): Promise<Manifest | Index> {
  if (store.info(root.digest) === undefined) throw incomplete(root, root.digest);
  const { document } = await loadDocument(store, root, options.signal);
  if (document.kind === "manifest") {
    const missing = missingBlob(store, document);
    if (missing !== undefined) throw incomplete(root, missing);
    return document;
  }
  const present = document.manifests.filter(({ digest }) => store.info(digest) !== undefined);
  for (const entry of present) if (isDocumentType(entry.mediaType)) await checkEntry(store, root, entry, options);
  const [first] = document.manifests;
  if (present.length === 0 && first !== undefined) throw incomplete(root, first.digest);
  return document;
}

async function checkEntry(
  store: ContentStore,
  root: Descriptor,
  entry: Descriptor,
  options: LoadOptions,
): Promise<void> {
  const { document } = await loadDocument(store, entry, options.signal);
  const missing = document.kind === "manifest" ? missingBlob(store, document) : undefined;
  if (missing !== undefined) throw incomplete(root, missing);
}

function plain({ mediaType, digest, size, platform, artifactType }: Descriptor): Descriptor {
  return { mediaType, digest, size, ...(platform && { platform }), ...(artifactType && { artifactType }) };
}

/** The images that `index.json` lists, once their blobs are in the store. Entries that are no images are passed over. */
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
    const document = await checkComplete(store, entry, options);
    await linkImage(store, entry, options.signal);
    options.lease.add("blob", entry.digest);
    if (document.kind === "manifest" && name === undefined)
      for (const other of namesByConfig.get(document.config.digest) ?? []) image.names.add(other);
  }
  return Array.from(found.values(), ({ descriptor, names }) => ({ descriptor, names: [...names] }));
}
