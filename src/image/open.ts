import type { ContentStore } from "../content/index.ts";
import {
  type Descriptor,
  Limits,
  type Platform,
  VarveError,
  choosePlatform,
  formatPlatform,
  isConfigType,
  platformFromJson,
} from "../core/index.ts";
import { MAX_INDEX_DEPTH, loadDocument, readSmallBlob } from "./documents.ts";
import { isImageEntry, pairLayers } from "./check.ts";
import { configPlatform, readImageConfig } from "./read-config.ts";
import type { Image, ImageConfig, Index, Manifest } from "./types.ts";

/** The config of a manifest, with its bytes. */
export async function loadConfig(
  store: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<{ config: ImageConfig; bytes: Buffer }> {
  const bytes = await readSmallBlob(store, descriptor, Limits.config, signal);
  return { bytes, config: readImageConfig(bytes, `image config ${descriptor.digest}`) };
}

/** Like `openImage` for a manifest that is at hand. */
async function openManifest(
  store: ContentStore,
  descriptor: Descriptor,
  { manifest, bytes }: { manifest: Manifest; bytes: Uint8Array },
  signal: AbortSignal | undefined,
): Promise<Image> {
  const { mediaType } = manifest.config;
  if (!isConfigType(mediaType))
    throw new VarveError(
      "unsupported",
      `Cannot read image ${descriptor.digest}: its config is of type ${JSON.stringify(mediaType.slice(0, 200))}`,
    );
  const { config, bytes: configBytes } = await loadConfig(store, manifest.config, signal);
  const platform = configPlatform(config);
  const parts = { manifest: descriptor, config: manifest.config, layers: manifest.layers };
  const layers = pairLayers(parts, config);
  return { descriptor, manifest, manifestBytes: bytes, config, configBytes, platform, layers };
}

/** Undefined for an entry whose platform nobody tells. */
async function entryPlatform(
  store: ContentStore,
  entry: Descriptor,
  signal?: AbortSignal,
): Promise<Platform | undefined> {
  if (entry.platform !== undefined && entry.platform.os !== "") return platformFromJson(entry.platform);
  if (store.info(entry.digest) === undefined) return undefined;
  const { document } = await loadDocument(store, entry, signal);
  if (document.kind === "index" || !isConfigType(document.config.mediaType)) return undefined;
  if (store.info(document.config.digest) === undefined) return undefined;
  return configPlatform((await loadConfig(store, document.config, signal)).config);
}

/** The entry of an index that suits a platform best, or undefined. Attestations are passed over. */
async function chooseManifest(
  store: ContentStore,
  index: Index,
  platform: Platform,
  signal?: AbortSignal,
): Promise<Descriptor | undefined> {
  const entries = index.manifests.filter(isImageEntry);
  const platforms = new Map<Descriptor, Platform | undefined>();
  for (const entry of entries) platforms.set(entry, await entryPlatform(store, entry, signal));
  const chosen = choosePlatform(platform, entries, (entry) => platforms.get(entry));
  if (chosen !== undefined) return chosen;
  // An index within that names no platform may hold the one that is wanted.
  return entries.length === 1 && platforms.get(entries[0] as Descriptor) === undefined ? entries[0] : undefined;
}

/**
 * The image that a descriptor of the store stands for. From an index the manifest for `platform` is taken (`not-found` if
 * it has none); a manifest is taken whatever its platform is. Layers need not be in the store.
 */
export async function openImage(
  store: ContentStore,
  root: Descriptor,
  platform: Platform,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Image> {
  let descriptor = root;
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
    const { document, bytes } = await loadDocument(store, descriptor, signal);
    if (document.kind === "manifest")
      return await openManifest(store, descriptor, { manifest: document, bytes }, signal);
    const chosen = await chooseManifest(store, document, platform, signal);
    if (chosen === undefined)
      throw new VarveError(
        "not-found",
        `Cannot use image ${root.digest}: it has nothing for ${formatPlatform(platform)}`,
        {
          details: { digest: root.digest, platform: formatPlatform(platform) },
        },
      );
    descriptor = chosen;
  }
  throw new VarveError("limit-exceeded", `Cannot read image ${root.digest}: its indexes are nested too deep`);
}
