import {
  Annotation,
  type Descriptor,
  type Digest,
  type JsonValue,
  MediaType,
  VarveError,
  digestAlgorithm,
  digestHex,
  familiarReference,
  formatGoTime,
  formatReference,
  goJson,
  isConfigType,
  parseReference,
  platformToJson,
  withDefaultTag,
  NS_PER_SECOND,
} from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { isDocumentType, loadDocument, walkDescriptors } from "../documents.ts";
import { descriptorJson, manifestJson } from "../encode.ts";
import { configPlatform } from "../read-config.ts";
import { loadConfig } from "../open.ts";
import type { Index, Manifest } from "../types.ts";
import type { ArchiveImage, WriteOptions } from "./types.ts";

/** The contents of an OCI layout. */
export interface LayoutContents {
  /** Each digest once, sorted by path. */
  readonly blobs: readonly { readonly path: string; readonly digest: Digest; readonly size: number }[];
  /** The entries of `index.json`. */
  readonly entries: readonly Descriptor[];
  /** The bytes of `manifest.json`; undefined if it would have no images. */
  readonly dockerManifest: Buffer | undefined;
}

/** The content of the file `oci-layout`; see image-layout.md of the OCI image specification. */
export const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

export function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Encodes `index.json`. It is compact, unlike the manifests. */
export function encodeLayoutIndex(entries: readonly Descriptor[]): Buffer {
  const index: Index = { kind: "index", mediaType: MediaType.ociIndex, manifests: entries };
  return Buffer.from(goJson({ ...manifestJson(index), manifests: entries.map(descriptorJson) }));
}

/** True for layers with URLs, and for images of an index whose platform was never fetched. */
function mayBeAbsent(descriptor: Descriptor, isRoot: boolean): boolean {
  return !isRoot && (isDocumentType(descriptor.mediaType) || (descriptor.urls?.length ?? 0) > 0);
}

async function addBlobs(
  store: ContentStore,
  root: Descriptor,
  blobs: Map<Digest, number>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const { descriptor } of walkDescriptors(store, root, { allowMissing: true, signal })) {
    const info = store.info(descriptor.digest);
    if (info !== undefined) blobs.set(info.digest, info.size);
    else if (!mayBeAbsent(descriptor, descriptor === root))
      throw new VarveError("not-found", `Cannot write image ${root.digest}: its blob ${descriptor.digest} is missing`, {
        details: { image: root.digest, blob: descriptor.digest },
      });
  }
}

async function withPlatform(
  store: ContentStore,
  descriptor: Descriptor,
  document: Manifest | Index,
): Promise<Descriptor> {
  if (document.kind === "index" || descriptor.platform !== undefined) return descriptor;
  if (!isConfigType(document.config.mediaType)) return descriptor;
  const platform = configPlatform((await loadConfig(store, document.config)).config);
  return platform === undefined ? descriptor : { ...descriptor, platform: platformToJson(platform) };
}

/** Returns one entry for each name, or one entry without a name. */
function indexEntries(descriptor: Descriptor, names: readonly string[], created: string): Descriptor[] {
  const annotations = { [Annotation.imageCreated]: created, ...descriptor.annotations };
  if (names.length === 0) return [{ ...descriptor, annotations }];
  return names.map((name) => {
    const reference = withDefaultTag(parseReference(name));
    const full = formatReference(reference);
    const refName = reference.tag === undefined ? full : full.slice(full.lastIndexOf("/") + 1).replace(/^[^:]*:/, "");
    const own = { [Annotation.containerdImageName]: full, [Annotation.refName]: refName };
    return { ...descriptor, annotations: { ...annotations, ...own } };
  });
}

function dockerEntry(manifest: Manifest, names: readonly string[]): JsonValue {
  const tags = names.map((name) => familiarReference(withDefaultTag(parseReference(name))));
  return {
    Config: blobPath(manifest.config.digest),
    RepoTags: tags.length === 0 ? null : tags,
    Layers: manifest.layers.length === 0 ? null : manifest.layers.map(({ digest }) => blobPath(digest)),
  };
}

/** Merges images of the same digest into one, with all names. */
function mergeImages(images: readonly ArchiveImage[]): ArchiveImage[] {
  const merged = new Map<Digest, ArchiveImage>();
  for (const { descriptor, names } of images) {
    const before = merged.get(descriptor.digest);
    const all = new Set([...(before?.names ?? []), ...names]);
    merged.set(descriptor.digest, { descriptor: before?.descriptor ?? descriptor, names: [...all] });
  }
  return [...merged.values()];
}

/** Collects everything to write. Throws `not-found` for a missing blob, so that this happens before the first byte is written. */
export async function layoutContents(store: ContentStore, options: WriteOptions): Promise<LayoutContents> {
  const { signal } = options;
  const created = formatGoTime(BigInt(options.created) * NS_PER_SECOND);
  const blobs = new Map<Digest, number>();
  const entries: Descriptor[] = [];
  const docker: JsonValue[] = [];
  for (const { descriptor, names } of mergeImages(options.images)) {
    await addBlobs(store, descriptor, blobs, signal);
    const { document } = await loadDocument(store, descriptor, signal);
    entries.push(...indexEntries(await withPlatform(store, descriptor, document), names, created));
    if (options.format === "docker" && document.kind === "manifest") docker.push(dockerEntry(document, names));
  }
  const sorted = Array.from(blobs, ([digest, size]) => ({ path: blobPath(digest), digest, size }));
  sorted.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { blobs: sorted, entries, dockerManifest: docker.length === 0 ? undefined : Buffer.from(goJson(docker)) };
}
