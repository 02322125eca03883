import type { ContentStore } from "../../content/index.ts";
import {
  type Descriptor,
  type Digest,
  type JsonNode,
  Limits,
  MediaType,
  VarveError,
  parseJson,
  platformToJson,
} from "../../core/index.ts";
import { readSmallBlob } from "../documents.ts";
import { encodeManifest } from "../encode.ts";
import { configPlatform, readImageConfig } from "../read-config.ts";
import type { Manifest } from "../types.ts";
import type { ArchiveFiles } from "./archive-files.ts";
import { dockerLayer } from "./docker-layer.ts";
import type { NamesByConfig } from "./load-index.ts";
import { archiveName } from "./names.ts";
import type { StoredFile } from "./stored-file.ts";
import type { LoadOptions, LoadedImage } from "./types.ts";

/** Maximum number of images, the same as for an index. */
const MAX_IMAGES = 65_536;

/** An item of `manifest.json`: paths of files in the archive. */
interface DockerImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

function readDockerManifest(bytes: Uint8Array): DockerImage[] {
  const readImage = (item: JsonNode): DockerImage => {
    const image = item.objectOrEmpty();
    const names = (image.strings("RepoTags") ?? []).map(archiveName).filter((name) => name !== undefined);
    return { config: image.string("Config") ?? "", names, layers: image.strings("Layers") ?? [] };
  };
  return parseJson(bytes, "manifest.json", { limit: Limits.manifest }).list(readImage, MAX_IMAGES) ?? [];
}

/** Returns the names in `manifest.json` by config, for archives that are an OCI layout too. */
export function namesByConfig(files: ArchiveFiles, bytes: Uint8Array | undefined): NamesByConfig {
  const names = new Map<Digest, string[]>();
  for (const image of bytes === undefined ? [] : readDockerManifest(bytes)) {
    const digest = files.find(image.config)?.digest;
    if (digest !== undefined) names.set(digest, [...(names.get(digest) ?? []), ...image.names]);
  }
  return names;
}

function fileOf(files: ArchiveFiles, path: string): StoredFile {
  const file = files.find(path);
  if (file !== undefined) return file;
  throw new VarveError("corrupt", `Cannot load image archive: it lacks ${JSON.stringify(path.slice(0, 300))}`);
}

async function loadImage(
  store: ContentStore,
  files: ArchiveFiles,
  image: DockerImage,
  options: LoadOptions,
): Promise<Descriptor> {
  const { lease, signal } = options;
  const config = { mediaType: MediaType.dockerConfig, ...fileOf(files, image.config) };
  const parsed = readImageConfig(
    await readSmallBlob(store, config, Limits.config, signal),
    `image config ${config.digest}`,
  );
  const diffIds = parsed.rootfs.diff_ids;
  if (diffIds.length !== image.layers.length)
    throw new VarveError(
      "corrupt",
      `Cannot load image ${config.digest}: it has ${image.layers.length} layers and ${diffIds.length} diffIDs`,
    );
  const layers: Descriptor[] = [];
  for (const [index, diffId] of diffIds.entries())
    layers.push(await dockerLayer(store, fileOf(files, image.layers[index] ?? ""), diffId, options));
  const manifest: Manifest = { kind: "manifest", mediaType: MediaType.dockerManifest, config, layers };
  const { digest, size } = await store.put(encodeManifest(manifest), { lease });
  store.link(digest, [config.digest, ...layers.map((layer) => layer.digest)]);
  const platform = configPlatform(parsed);
  return { mediaType: manifest.mediaType, digest, size, ...(platform && { platform: platformToJson(platform) }) };
}

/** Loads the images of a Docker archive and makes a manifest for each. Layers are checked against the diffIDs of the config. */
export async function imagesOfDockerManifest(
  store: ContentStore,
  files: ArchiveFiles,
  bytes: Uint8Array,
  options: LoadOptions,
): Promise<LoadedImage[]> {
  const found = new Map<Digest, { descriptor: Descriptor; names: Set<string> }>();
  for (const image of readDockerManifest(bytes)) {
    const descriptor = await loadImage(store, files, image, options);
    const known = found.get(descriptor.digest) ?? { descriptor, names: new Set<string>() };
    for (const name of image.names) known.names.add(name);
    found.set(descriptor.digest, known);
  }
  return Array.from(found.values(), ({ descriptor, names }) => ({ descriptor, names: [...names] }));
}
