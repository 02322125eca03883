import {
  type Descriptor,
  type JsonObject,
  Limits,
  MediaType,
  VarveError,
  definedFields,
  isDockerType,
  isIndexType,
  isManifestType,
  parseJson,
  readAnnotations,
  readDescriptor,
} from "../core/index.ts";
import type { Index, Manifest } from "./types.ts";

/** Maximum number of entries of an index. */
const MAX_DESCRIPTORS = 65_536;

/** Parses the result of `encodeDescriptor`. */
export function parseDescriptor(text: string): Descriptor {
  return readDescriptor(parseJson(text, "descriptor", { limit: Limits.manifest }).requiredObject());
}

function common(json: JsonObject): Pick<Manifest, "artifactType" | "subject" | "annotations"> {
  const subject = json.object("subject");
  return definedFields<Pick<Manifest, "artifactType" | "subject" | "annotations">>({
    artifactType: json.string("artifactType"),
    subject: subject === undefined ? undefined : readDescriptor(subject),
    annotations: readAnnotations(json),
  });
}

function corrupt(state: string): VarveError {
  return new VarveError("corrupt", `Cannot read manifest: ${state}`);
}

function parse(bytes: Uint8Array): JsonObject {
  const json = parseJson(bytes, "manifest", { limit: Limits.manifest }).requiredObject();
  const version = json.integer("schemaVersion");
  if (version === 1) throw new VarveError("unsupported", "Cannot read manifest: its schema version 1 is obsolete");
  if (version !== undefined && version !== 2) throw corrupt(`its schema version is ${version}`);
  // Two programs could read a document that is both as different images.
  if (json.has("manifests") && (json.has("config") || json.has("layers")))
    throw corrupt("it is both a manifest and an index");
  return json;
}

function toManifest(json: JsonObject, mediaType: string): Manifest {
  const config = json.object("config");
  if (config === undefined) throw corrupt("it has no config");
  const configType = isDockerType(mediaType) ? MediaType.dockerConfig : MediaType.ociConfig;
  const layers = json.objects("layers", Limits.layers).map((layer) => readDescriptor(layer));
  return { kind: "manifest", mediaType, config: readDescriptor(config, configType), layers, ...common(json) };
}

function toIndex(json: JsonObject, mediaType: string): Index {
  const entryType = isDockerType(mediaType) ? MediaType.dockerManifest : MediaType.ociManifest;
  const manifests = json.objects("manifests", MAX_DESCRIPTORS).map((entry) => readDescriptor(entry, entryType));
  return { kind: "index", mediaType, manifests, ...common(json) };
}

/** Returns the type of a document without one, from the types of its parts. OCI documents may omit it. */
function inferType(json: JsonObject): string {
  const index = json.has("manifests");
  const part = index ? json.objects("manifests", MAX_DESCRIPTORS)[0] : json.object("config");
  const docker = isDockerType(part?.string("mediaType") ?? "");
  if (index) return docker ? MediaType.dockerList : MediaType.ociIndex;
  return docker ? MediaType.dockerManifest : MediaType.ociManifest;
}

/**
 * Reads a manifest or an index. Its type is the one in the document, or else `mediaType` (from its descriptor or HTTP response), or
 * else it is inferred from its fields.
 *
 * @throws {VarveError} `corrupt` if the type contradicts the fields, or for a malformed digest or size; `unsupported` for another
 * type or schema version 1; `limit-exceeded` for too many bytes or layers.
 */
export function readManifestOrIndex(bytes: Uint8Array, mediaType?: string): Manifest | Index {
  const json = parse(bytes);
  const own = json.string("mediaType");
  const type = [own, mediaType].find((text) => text !== undefined && text !== "") ?? inferType(json);
  if (isManifestType(type)) {
    if (json.has("manifests")) throw corrupt(`it is an index and its type is ${type}`);
    return toManifest(json, type);
  }
  if (isIndexType(type)) {
    if (json.has("config") || json.has("layers")) throw corrupt(`it is a manifest and its type is ${type}`);
    return toIndex(json, type);
  }
  throw new VarveError("unsupported", `Cannot read manifest: its type is ${JSON.stringify(type.slice(0, 200))}`);
}

/** Like `readManifestOrIndex`, but throws `corrupt` for an index. */
export function readManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const document = readManifestOrIndex(bytes, mediaType);
  if (document.kind === "index") throw corrupt("it is an index");
  return document;
}

/** Like `readManifestOrIndex`, but throws `corrupt` for a manifest. */
export function readIndex(bytes: Uint8Array, mediaType?: string): Index {
  const document = readManifestOrIndex(bytes, mediaType);
  if (document.kind === "manifest") throw corrupt("it is a manifest, not an index");
  return document;
}
