import type { Descriptor } from "./descriptor.ts";
import type { JsonObject } from "./json/read.ts";
import type { PlatformJson } from "./platform.ts";

/** A copy of `fields` without those whose value is undefined. */
export function definedFields<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an absent field and an undefined one have the same type
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** Reads a platform as descriptors and results have it. */
export function readPlatform(json: JsonObject): PlatformJson {
  return definedFields<PlatformJson>({
    architecture: json.string("architecture") ?? "",
    os: json.string("os") ?? "",
    "os.version": json.string("os.version"),
    "os.features": json.strings("os.features"),
    variant: json.string("variant"),
  });
}

/** Reads the `annotations` of a document; keys become own properties, whatever they are. */
export function readAnnotations(json: JsonObject): Record<string, string> | undefined {
  const map = json.stringMap("annotations");
  return map === undefined ? undefined : Object.fromEntries(map);
}

/**
 * Reads a descriptor: OCI image specification, descriptor.md.
 *
 * @param fallback - The media type of a descriptor that names none.
 * @throws {VarveError} The document's error if a field is malformed, or digest or size is absent.
 */
export function readDescriptor(json: JsonObject, fallback = ""): Descriptor {
  const platform = json.object("platform");
  const mediaType = json.string("mediaType") ?? "";
  return definedFields<Descriptor>({
    mediaType: mediaType === "" ? fallback : mediaType,
    digest: json.digest("digest"),
    size: json.size("size"),
    urls: json.strings("urls"),
    annotations: readAnnotations(json),
    data: json.string("data"),
    platform: platform === undefined ? undefined : readPlatform(platform),
    artifactType: json.string("artifactType"),
  });
}
