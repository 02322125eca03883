import { type Digest, Limits } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { decompress } from "../../io/index.ts";

/** The label that remembers whether a blob is eStargz that can be relied on; BuildKit's. */
export const ESTARGZ_LABEL = "buildkit.io/compression/estargz";

/** Whether a blob of the content store is verified eStargz. Reads all of it the first time, if it looks like eStargz. */
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
 * A layer's archive as it was before it was compressed: an eStargz layer's table of contents is no part of it. The blob has been
 * verified when the first byte comes.
 */
export async function* archiveOf(
  content: ContentStore,
  digest: Digest,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const what = `layer ${digest}`;
  const verified = await isEstargz(content, digest, signal);
  await using blob = await content.openVerified(digest, { signal });
  const { tocOffsetOf } = await import("../../layer/index.ts");
  const length = verified ? await tocOffsetOf(blob) : undefined;
  const bytes = blob.open(0, length ?? blob.size);
  yield* decompress(bytes, { format: "detect", what, limit: Limits.layerUnpacked });
}
