import { createHash } from "node:crypto";
import { type Digest, VarveError } from "../../core/index.ts";
import type { ActionsCache } from "../../objectstore/index.ts";
import type { CloudBlobs } from "./cloud-cache.ts";

/** What the keys of blobs begin with. */
export const GHA_BLOBS = "buildkit-blob-1-";

/** Returns the key of a blob. */
export function ghaBlobKey(digest: Digest): string {
  return `${GHA_BLOBS}${digest}`;
}

/**
 * Returns what the keys of the versions of a document begin with; each ends in its number. `ref` is a scope of the token. Keys of signed
 * documents do not begin so.
 */
export function ghaIndexPrefix(scope: string, ref: string): string {
  return `index-${scope}-1-${createHash("sha256").update(ref).digest("hex").slice(0, 8)}#`;
}

/**
 * Returns the scope that a token allows to write: the last of them, as for BuildKit.
 *
 * @throws {VarveError} `unauthorized` if there is none.
 */
export function writeScopeOf({ scopes }: ActionsCache["token"]): string {
  const last = scopes.findLast(({ canWrite }) => canWrite);
  if (last !== undefined) return last.scope;
  throw new VarveError("unauthorized", "Cannot write the cache of GitHub Actions: the token allows no scope to write");
}

/** Returns the blobs of the caches of a service. Disposing of them closes the service. */
export function ghaBlobs(service: ActionsCache): CloudBlobs {
  return {
    name: service.name,
    blob: async (digest, asking) => await service.open(ghaBlobKey(digest), asking),
    [Symbol.dispose]: () => service[Symbol.dispose](),
  };
}
