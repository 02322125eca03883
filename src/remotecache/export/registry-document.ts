import { type Descriptor, type Digest, type Reference, formatReference, isVarveError } from "../../core/index.ts";
import { VarveError } from "../../core/index.ts";
import { collect, verified } from "../../io/index.ts";
import type { Registry, RequestOptions } from "../../registry/index.ts";
import { MAX_CONFIG } from "../document/config.ts";
import { type Standing, readStanding } from "./standing.ts";
import type { Warn } from "./target.ts";

export interface RegistryPlace {
  readonly registry: Registry;
  readonly reference: Reference;
}

/** A small blob of the repository, verified. */
async function readBlob(
  { registry, reference }: RegistryPlace,
  descriptor: Descriptor,
  asking: RequestOptions,
): Promise<Buffer> {
  const what = `cache config ${descriptor.digest}`;
  if (descriptor.size > MAX_CONFIG)
    throw new VarveError("limit-exceeded", `Cannot read ${what}: it is larger than ${MAX_CONFIG} bytes`);
  const bytes = registry.blob(reference, descriptor, asking);
  return await collect(verified(bytes, descriptor, { what }), MAX_CONFIG, { what });
}

/** The cache document that a reference stands for. Of one that `isKnown` the contents are not read. */
export async function standingInRegistry(
  place: RegistryPlace,
  warn: Warn,
  asking: RequestOptions,
  isKnown: (manifest: Digest) => boolean = () => false,
): Promise<Standing> {
  const { registry, reference } = place;
  try {
    const manifest = await registry.manifest(reference, asking);
    if (isKnown(manifest.descriptor.digest)) return { descriptor: manifest.descriptor };
    const name = formatReference(reference);
    return await readStanding(manifest, (config) => readBlob(place, config, asking), { name, warn });
  } catch (error) {
    if (isVarveError(error, "not-found")) return {};
    throw error;
  }
}

/** What the reference's tag stands for now; undefined: nothing. */
export async function standingDigest(
  { registry, reference }: RegistryPlace,
  asking: RequestOptions,
): Promise<Digest | undefined> {
  try {
    return (await registry.resolve(reference, asking)).digest;
  } catch (error) {
    if (isVarveError(error, "not-found")) return undefined;
    throw error;
  }
}
