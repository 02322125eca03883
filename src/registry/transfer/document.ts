import {
  type Descriptor,
  type JsonNode,
  Limits,
  MediaType,
  VarveError,
  isConfigType,
  isIndexType,
  isManifestType,
  parseJson,
  readDescriptor,
} from "../../core/index.ts";

/** The descriptors in a manifest or an index. `mediaType` is the type that the document and the server agree on. */
export type ImageDocument =
  | { readonly kind: "index"; readonly mediaType: string; readonly manifests: readonly Descriptor[] }
  | {
      readonly kind: "manifest";
      readonly mediaType: string;
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
    };

/** The `Accept` header for manifests, preferred types first. */
export const ACCEPT_MANIFESTS: string = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerList,
  MediaType.dockerManifest,
  "*/*;q=0.1",
].join(", ");

const SCHEMA1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/;
/** Content types of servers that do not know the type. */
const GENERIC = new Set(["application/json", "application/octet-stream", "text/plain", ""]);

/** A media type without its parameters. */
export function plainMediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

export function isDocumentType(type: string): boolean {
  return isManifestType(type) || isIndexType(type);
}

/** Throws `unsupported` for Docker's manifest schema 1. */
export function rejectSchema1(mediaType: string, name: string): void {
  if (!SCHEMA1.test(mediaType)) return;
  throw new VarveError(
    "unsupported",
    `Cannot read ${name}: it is in Docker's image format of 2015 (manifest schema 1)`,
    {
      hint: "Pull and push the image once with a Docker client between 1.10 and 28 to convert it.",
    },
  );
}

/** Characters of a media type: RFC 6838, two names of 127 characters. */
const MAX_MEDIA_TYPE = 255;

function corrupt(name: string, why: string): never {
  throw new VarveError("corrupt", `Cannot read ${name}: ${why}`);
}

/** A descriptor in a manifest or an index. */
function readPart(item: JsonNode): Descriptor {
  const json = item.requiredObject();
  const { length } = json.string("mediaType") ?? "";
  return length > 0 && length <= MAX_MEDIA_TYPE ? readDescriptor(json) : json.field("mediaType").fail("a media type");
}

/**
 * Reads a manifest or an index. `declared` is the media type the server or the descriptor gave.
 *
 * @throws {VarveError} `corrupt` if the document is malformed, has another type than declared, or is both a manifest and an index;
 *   `unsupported` for manifest schema 1; `limit-exceeded` for too many layers.
 */
export function parseDocument(bytes: Uint8Array, declared: string, name: string): ImageDocument {
  rejectSchema1(declared, name);
  const json = parseJson(bytes, name).requiredObject();
  if (json.integer("schemaVersion") === 1 && json.has("fsLayers"))
    rejectSchema1("application/vnd.docker.distribution.manifest.v1+json", name);
  const mediaType = json.string("mediaType");
  const config = json.has("config") ? readPart(json.field("config")) : undefined;
  const layers = json.field("layers").list(readPart);
  const manifests = json.field("manifests").list(readPart);
  const known = isDocumentType(declared) ? declared : undefined;
  if (known !== undefined && mediaType !== undefined && mediaType !== known) {
    corrupt(name, `its media type is ${JSON.stringify(mediaType.slice(0, 100))} but ${known} was announced`);
  }
  const isIndex = manifests !== undefined;
  const isManifest = config !== undefined || layers !== undefined;
  if (isIndex && isManifest) corrupt(name, "it is a manifest and an index at once");
  const type = known ?? mediaType ?? (isIndex ? MediaType.ociIndex : MediaType.ociManifest);
  if (known === undefined && !GENERIC.has(declared) && !isDocumentType(mediaType ?? "")) {
    corrupt(name, `it is a ${JSON.stringify(declared.slice(0, 100))}, not a manifest`);
  }
  if (isIndexType(type)) {
    if (isManifest) corrupt(name, "it is announced as an index and is a manifest");
    return { kind: "index", mediaType: type, manifests: manifests ?? [] };
  }
  if (!isManifestType(type)) corrupt(name, `it is a ${JSON.stringify(type.slice(0, 100))}, not a manifest`);
  if (config === undefined) corrupt(name, "it has no config");
  if (isConfigType(config.mediaType) && (layers?.length ?? 0) > Limits.layers) {
    throw new VarveError("limit-exceeded", `Cannot read ${name}: it has more than ${Limits.layers} layers`);
  }
  return { kind: "manifest", mediaType: type, config, layers: layers ?? [] };
}
