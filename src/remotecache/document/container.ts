import {
  type Descriptor,
  type JsonNode,
  type JsonObject,
  type JsonOptions,
  MediaType,
  VarveError,
  goJson,
  isDigest,
  isIndexType,
  isManifestType,
  parseJson,
} from "../../core/index.ts";
import { manifestJson } from "../../image/index.ts";
import { toDockerType, toOciType } from "./layer-types.ts";

/** An image or an index of images, in whose configs caches may be. As little is asked of it as can be. */
export type InlineDocument =
  | { readonly kind: "manifest"; readonly config: Descriptor | undefined; readonly layers: readonly Descriptor[] }
  | { readonly kind: "index"; readonly manifests: readonly Descriptor[] };

/** What a document found under a cache's name is. */
export type CacheContainer =
  | { readonly kind: "cache"; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly kind: "inline"; readonly document: InlineDocument };

export type ContainerForm = "manifest" | "oci-index" | "docker-list";

const CONFIG = MediaType.buildkitCacheConfig;
const corrupt = (state: string): VarveError => new VarveError("corrupt", `Cannot read cache manifest: ${state}`);

/** Documents are read as BuildKit reads them, by Go. */
const GO: JsonOptions = { fieldNames: "any-case" };

/** Undefined for a descriptor of nothing that could be fetched. */
function readDescriptor(item: JsonNode): Descriptor | undefined {
  const fields = item.objectOrEmpty();
  const digest = fields.string("digest");
  const size = fields.integer("size") ?? 0;
  const annotations = fields.stringMap("annotations");
  const mediaType = fields.string("mediaType") ?? "";
  if (!isDigest(digest) || size < 0) return undefined;
  return { mediaType, digest, size, ...(annotations && { annotations: Object.fromEntries(annotations) }) };
}

function descriptors(fields: JsonObject, key: string): Descriptor[] {
  return (fields.field(key).list(readDescriptor) ?? []).filter((one) => one !== undefined);
}

/** The entries of a layout's `index.json`. Throws `corrupt`. */
export function readEntries(bytes: Uint8Array): readonly Descriptor[] {
  return descriptors(parseJson(bytes, "index.json", GO).objectOrEmpty(), "manifests");
}

function checkType(mediaType: string, isManifest: boolean): void {
  const contradicts = isManifest ? isIndexType(mediaType) : isManifestType(mediaType);
  if (contradicts) throw corrupt("mediaType in manifest does not match manifest contents");
}

/**
 * Tells a cache from an image by the bytes alone, as BuildKit does. In an index the last cache config counts, and everything
 * else is a layer. Without a cache config it is an image or an index of them. Throws `corrupt`.
 */
export function readContainer(bytes: Uint8Array): CacheContainer {
  const fields = parseJson(bytes, "cache manifest", GO).objectOrEmpty();
  const isManifest = fields.has("config") || fields.has("layers");
  if (isManifest && fields.has("manifests")) throw corrupt("invalid ambiguous manifest and manifest list");
  checkType(fields.string("mediaType") ?? "", isManifest);
  if (isManifest) {
    const config = fields.has("config") ? readDescriptor(fields.field("config")) : undefined;
    const layers = descriptors(fields, "layers");
    if (config?.mediaType === CONFIG) return { kind: "cache", config, layers };
    return { kind: "inline", document: { kind: "manifest", config, layers } };
  }
  const manifests = descriptors(fields, "manifests");
  const config = manifests.findLast(({ mediaType }) => mediaType === CONFIG);
  if (config === undefined) return { kind: "inline", document: { kind: "index", manifests } };
  return { kind: "cache", config, layers: manifests.filter(({ mediaType }) => mediaType !== CONFIG) };
}

/** The document that names a cache config and its layers: an OCI manifest, or an index with the config at its end. */
export function encodeContainer(
  form: ContainerForm,
  config: Descriptor,
  layers: readonly Descriptor[],
): { bytes: Uint8Array; mediaType: string } {
  const { mediaType: type, digest, size } = config;
  const plain = { mediaType: type, digest, size };
  const typed = layers.map((layer) => {
    const convert = form === "docker-list" ? toDockerType : toOciType;
    return { ...layer, mediaType: convert(layer.mediaType) };
  });
  if (form === "manifest") {
    const mediaType = MediaType.ociManifest;
    const json = manifestJson({ kind: "manifest", mediaType, config: plain, layers: typed });
    return { bytes: Buffer.from(goJson(json)), mediaType };
  }
  const mediaType = form === "oci-index" ? MediaType.ociIndex : MediaType.dockerList;
  const json = manifestJson({ kind: "index", mediaType, manifests: [...typed, plain] });
  return { bytes: Buffer.from(goJson(json)), mediaType };
}
