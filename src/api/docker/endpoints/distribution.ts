import {
  type Descriptor,
  Limits,
  type Reference,
  isIndexType,
  isVarveError,
  platformFromJson,
  platformToJson,
  withDefaultTag,
} from "../../../core/index.ts";
import { configPlatform, isImageEntry, readImageConfig, readIndex, readManifest } from "../../../image/index.ts";
import { collect } from "../../../io/index.ts";
import type { Registry } from "../../../registry/index.ts";
import { type Endpoint, registryFor } from "../api.ts";
import { apiError } from "../errors.ts";
import { referenceOf } from "../images/api-image.ts";
import { requestCredentials } from "../registry-auth.ts";
import { ok } from "../respond.ts";
import { pullError } from "./pull.ts";

/** Returns the descriptor and platforms of an image in a registry. Neither reads nor changes the store. */
export const distribution: Endpoint = async ({ name, request }, api) => {
  const named = referenceOf(name);
  if (named === undefined) throw apiError(400, "invalid reference format");
  const reference = withDefaultTag(named);
  using registry = registryFor(api, requestCredentials(request.headers.get("x-registry-auth")));
  try {
    const { descriptor, bytes } = await registry.manifest(reference, { signal: request.signal });
    const Platforms = await platformsOf(descriptor, bytes, { registry, reference, signal: request.signal });
    const { mediaType, digest, size } = descriptor;
    return ok({ Descriptor: { mediaType, digest, size }, Platforms });
  } catch (error) {
    if (isVarveError(error, "not-found")) throw apiError(404, "manifest unknown: manifest unknown", error);
    throw pullError(error, reference);
  }
};

interface Source {
  readonly registry: Registry;
  readonly reference: Reference;
  readonly signal: AbortSignal;
}

async function platformsOf({ mediaType }: Descriptor, bytes: Uint8Array, source: Source): Promise<unknown[]> {
  if (isIndexType(mediaType))
    return readIndex(bytes, mediaType)
      .manifests.filter(isImageEntry)
      .flatMap(({ platform }) => (platform === undefined ? [] : [platformToJson(platformFromJson(platform))]));
  const { registry, reference, signal } = source;
  const { config } = readManifest(bytes, mediaType);
  const document = await collect(registry.blob(reference, config, { signal }), Limits.config, { what: "the config" });
  const platform = configPlatform(readImageConfig(document));
  return platform === undefined ? [] : [platformToJson(platform)];
}
