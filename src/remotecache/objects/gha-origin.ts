import type { OnWait } from "../../io/index.ts";
import type { CacheOrigin } from "../import/origin.ts";
import { tooLarge } from "../import/registry-origin.ts";
import type { CloudBlobs } from "./cloud-cache.ts";
import type { GhaIndex } from "./gha-index.ts";
import { EMPTY_DOCUMENT, cloudReader } from "./object-document.ts";

interface GhaOriginOptions {
  readonly blobs: Pick<CloudBlobs, "name" | "blob">;
  readonly source: string;
  readonly onWait?: OnWait | undefined;
}

/** Returns a document of the cache service as an origin. A document that does not exist counts as empty, as in BuildKit. */
export function ghaOrigin(index: GhaIndex, { blobs, source, onWait }: GhaOriginOptions): CacheOrigin {
  return {
    name: index.name,
    source,
    top: async (signal) => (await index.read({ signal, onWait })) ?? EMPTY_DOCUMENT,
    blob: async (blob, limit, signal) => {
      if (blob.size > limit) throw tooLarge(blob, limit);
      return await cloudReader(blobs, { signal, onWait })(blob);
    },
  };
}
