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

/** Reads the config of a manifest. */
export async function loadConfig(
  store: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<{ config: ImageConfig; bytes: Buffer }> {
  const bytes = await readSmallBlob(store, descriptor, Limits.config, signal);
  return { bytes, config: readImageConfig(bytes, `image config ${descriptor.digest}`) };
}

/** Like `openImage`, for a manifest that was read already. */
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

/** Returns the platform of an index entry, from its descriptor or its config; undefined if neither is available. */
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

/** Returns the entry of an index that matches a platform best, or undefined. Attestations are skipped. */
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
  // A single entry without a platform may be an index that contains the platform.
  const [only, ...others] = entries;
  return only !== undefined && others.length === 0 && platforms.get(only) === undefined ? only : undefined;
}

/**
 * Opens an image in the store: reads its manifest and config. For an index it uses the manifest for `platform`. For a manifest it
 * ignores `platform`; the caller compares. Layers need not be in the store.
 *
 * @throws {VarveError} `not-found` if a document is missing, or if an index has no image for the platform; `corrupt` if the
 * documents do not match; `unsupported` for another type of config; `limit-exceeded`.
 * @example
 * const { config, layers } = await openImage(store, descriptor, hostPlatform());
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
