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
import { NOTES_TYPE } from "./notes-blob.ts";
import { toDockerType, toOciType } from "./layer-types.ts";

/** An image or an index of images, whose configs may contain caches. It is validated as little as possible. */
export type InlineDocument =
  | { readonly kind: "manifest"; readonly config: Descriptor | undefined; readonly layers: readonly Descriptor[] }
  | { readonly kind: "index"; readonly manifests: readonly Descriptor[] };

/** A document that was found under the name of a cache. */
export type CacheContainer =
  | {
      readonly kind: "cache";
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
      /** The blob with the notes of the records: an addition of Varve, which BuildKit takes for a layer that no record needs. */
      readonly notes: Descriptor | undefined;
    }
  /** A cache config that describes its layers itself, as in object stores. */
  | { readonly kind: "annotated" }
  | { readonly kind: "inline"; readonly document: InlineDocument };

/** How a cache document is stored: as an OCI manifest, an OCI index or a Docker manifest list. */
export type ContainerForm = "manifest" | "oci-index" | "docker-list";

/** The form of a whole document. `annotated`: the cache config alone, which describes its layers itself, as in object stores. */
export type DocumentForm = ContainerForm | "annotated";

const CONFIG = MediaType.buildkitCacheConfig;
const corrupt = (state: string): VarveError => new VarveError("corrupt", `Cannot read cache manifest: ${state}`);

/** Documents are read as BuildKit reads them, by Go. */
const GO: JsonOptions = { fieldNames: "any-case" };

/** Returns undefined for a descriptor without a valid digest and size. */
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

/**
 * Reads the entries of a layout's `index.json`.
 *
 * @throws {VarveError} `corrupt`
 */
export function readEntries(bytes: Uint8Array): readonly Descriptor[] {
  return descriptors(parseJson(bytes, "index.json", GO).objectOrEmpty(), "manifests");
}

function checkType(mediaType: string, isManifest: boolean): void {
  const contradicts = isManifest ? isIndexType(mediaType) : isManifestType(mediaType);
  if (contradicts) throw corrupt("mediaType in manifest does not match manifest contents");
}

/**
 * Reads a document, and decides by its content whether it is a cache or an image, as BuildKit does. In an index, the last cache
 * config is used, and every other entry is a layer. A document without a cache config is an image or an index of images. Only a
 * document that comes with the media type of a cache config is one by itself.
 *
 * @throws {VarveError} `corrupt`
 */
export function readContainer(bytes: Uint8Array, type = ""): CacheContainer {
  if (type === CONFIG) return { kind: "annotated" };
  const fields = parseJson(bytes, "cache manifest", GO).objectOrEmpty();
  const isManifest = fields.has("config") || fields.has("layers");
  if (isManifest && fields.has("manifests")) throw corrupt("invalid ambiguous manifest and manifest list");
  checkType(fields.string("mediaType") ?? "", isManifest);
  if (isManifest) {
    const config = fields.has("config") ? readDescriptor(fields.field("config")) : undefined;
    const layers = descriptors(fields, "layers");
    if (config?.mediaType === CONFIG) return { kind: "cache", config, ...parted(layers) };
    return { kind: "inline", document: { kind: "manifest", config, layers } };
  }
  const manifests = descriptors(fields, "manifests");
  const config = manifests.findLast(({ mediaType }) => mediaType === CONFIG);
  if (config === undefined) return { kind: "inline", document: { kind: "index", manifests } };
  return { kind: "cache", config, ...parted(manifests.filter(({ mediaType }) => mediaType !== CONFIG)) };
}

/** Separates the blob with notes from the layers. */
function parted(blobs: readonly Descriptor[]): Pick<CacheContainer & { readonly kind: "cache" }, "layers" | "notes"> {
  const isNotes = ({ mediaType }: Descriptor): boolean => mediaType === NOTES_TYPE;
  return { layers: blobs.filter((blob) => !isNotes(blob)), notes: blobs.findLast(isNotes) };
}

/** Encodes the document that lists a cache config and its other blobs: a manifest, or an index with the config as its last entry. */
export function encodeContainer(
  form: ContainerForm,
  config: Descriptor,
  blobs: readonly Descriptor[],
): { bytes: Uint8Array; mediaType: string } {
  const { mediaType: type, digest, size } = config;
  const plain = { mediaType: type, digest, size };
  const typed = blobs.map((layer) => {
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
