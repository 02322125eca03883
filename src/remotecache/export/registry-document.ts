import { type Descriptor, type Digest, type Reference, formatReference, isVarveError } from "../../core/index.ts";
import { VarveError } from "../../core/index.ts";
import { bytesOf, collect, verified } from "../../io/index.ts";
import type { Registry, RequestOptions } from "../../registry/index.ts";
import { MAX_CONFIG } from "../document/config.ts";
import type { EncodedDocument } from "./codec.ts";
import { type ExistingDocument, readExisting } from "./existing-document.ts";
import type { Warn } from "./target.ts";

/** A tag in a registry, with the client to reach it. */
export interface RegistryTag {
  readonly registry: Registry;
  readonly reference: Reference;
}

/** Reads and verifies a cache config. */
async function readBlob(
  { registry, reference }: RegistryTag,
  descriptor: Descriptor,
  request: RequestOptions,
): Promise<Buffer> {
  const what = `cache config ${descriptor.digest}`;
  if (descriptor.size > MAX_CONFIG)
    throw new VarveError("limit-exceeded", `Cannot read ${what}: it is larger than ${MAX_CONFIG} bytes`);
  const bytes = registry.blob(reference, descriptor, request);
  return await collect(verified(bytes, descriptor, { what }), MAX_CONFIG, { what });
}

/** Reads the existing document that a reference refers to. If `isKnown` returns true, its contents are not read. */
export async function existingInRegistry(
  place: RegistryTag,
  warn: Warn,
  request: RequestOptions,
  isKnown: (manifest: Digest) => boolean = () => false,
): Promise<ExistingDocument> {
  const { registry, reference } = place;
  try {
    const manifest = await registry.manifest(reference, request);
    if (isKnown(manifest.descriptor.digest)) return { descriptor: manifest.descriptor };
    const name = formatReference(reference);
    return await readExisting(manifest, (config) => readBlob(place, config, request), { name, warn });
  } catch (error) {
    if (isVarveError(error, "not-found")) return {};
    throw error;
  }
}

/** Writes what the manifest of a document names besides layers. */
export async function pushBlobs(
  { registry, reference }: RegistryTag,
  { config, notes }: Pick<EncodedDocument, "config" | "notes">,
  request: RequestOptions,
): Promise<void> {
  for (const { descriptor, bytes } of notes === undefined ? [config] : [notes, config])
    await registry.pushBlob(reference, descriptor, (offset) => bytesOf(bytes.subarray(offset)), request);
}

/** Returns the digest that the tag refers to now, or undefined if it does not exist. */
export async function tagDigest(
  { registry, reference }: RegistryTag,
  request: RequestOptions,
): Promise<Digest | undefined> {
  try {
    return (await registry.resolve(reference, request)).digest;
  } catch (error) {
    if (isVarveError(error, "not-found")) return undefined;
    throw error;
  }
}
