import {
  type Descriptor,
  type Reference,
  VarveError,
  formatReference,
  isIndexType,
  isManifestType,
} from "../../core/index.ts";
import { collect, verified } from "../../io/index.ts";
import type { OnWait } from "../../io/index.ts";
import type { Registry } from "../../registry/index.ts";
import type { CacheOrigin } from "./origin.ts";

/** Returns a cache or an image in a registry as an origin. `onWait` is called while a request waits for the registry. */
export function registryOrigin(
  registry: Registry,
  reference: Reference,
  { onWait }: { readonly onWait?: OnWait | undefined } = {},
): CacheOrigin {
  const { registry: host, repository } = reference;
  return {
    name: formatReference(reference),
    source: `${host}/${repository}`,
    top: async (signal) => await registry.manifest(reference, { signal, onWait }),
    blob: async (descriptor, limit, signal) => {
      const { mediaType, digest, size } = descriptor;
      const what = `blob ${digest}`;
      if (size > limit) throw tooLarge(descriptor, limit);
      if (isManifestType(mediaType) || isIndexType(mediaType))
        return (await registry.manifest({ registry: host, repository, digest }, { signal, onWait })).bytes;
      const bytes = registry.blob(reference, descriptor, { signal, onWait });
      return await collect(verified(bytes, { digest, size }, { what }), limit, { what });
    },
  };
}

/** Returns the error for a blob that is larger than allowed. */
export function tooLarge({ digest, size }: Descriptor, limit: number): VarveError {
  return new VarveError("limit-exceeded", `Cannot read blob ${digest}: it is too large (${size} > ${limit} bytes)`);
}
