import { type Digest, Limits } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { decompress } from "../../io/index.ts";

/** BuildKit's label for the result of verifying a blob as eStargz: "true" or "false". */
export const ESTARGZ_LABEL = "buildkit.io/compression/estargz";

/**
 * Returns whether a blob of the content store is valid eStargz. Reads the whole blob the first time, if it has an eStargz
 * footer, and stores the result in a label.
 */
export async function isEstargz(content: ContentStore, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  const known = content.info(digest)?.labels.get(ESTARGZ_LABEL);
  if (known !== undefined) return known === "true";
  await using blob = await content.openVerified(digest, { signal });
  const { verifyEstargz } = await import("../../layer/index.ts");
  const verdict = await verifyEstargz(blob);
  const verified = verdict.kind === "verified";
  content.label(digest, { [ESTARGZ_LABEL]: String(verified) });
  return verified;
}

/**
 * Returns the uncompressed archive of a layer, without the table of contents of eStargz. The digest of the blob is verified
 * before the first byte is returned.
 * @throws {VarveError} `not-found` if the blob is not in the store; `storage` if it is damaged; `limit-exceeded` past
 * `Limits.layerUnpacked` bytes.
 */
export async function* archiveOf(
  content: ContentStore,
  digest: Digest,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const what = `layer ${digest}`;
  const hasToc = await isEstargz(content, digest, signal);
  await using blob = await content.openVerified(digest, { signal });
  const { tocOffsetOf } = await import("../../layer/index.ts");
  const length = hasToc ? await tocOffsetOf(blob) : undefined;
  const bytes = blob.open(0, length ?? blob.size);
  yield* decompress(bytes, { format: "detect", what, limit: Limits.layerUnpacked });
}
