import { type Digest, Limits } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import { decompress } from "../io/index.ts";
import type { BlobReader } from "../layer/index.ts";

/** The label that remembers whether a blob is eStargz that can be relied on; BuildKit's. */
export const ESTARGZ_LABEL = "buildkit.io/compression/estargz";

/** Whether a blob of the content store is verified eStargz. Reads all of it the first time, if it looks like eStargz. */
export async function isEstargz(content: ContentStore, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  const known = content.info(digest)?.labels.get(ESTARGZ_LABEL);
  if (known !== undefined) return known === "true";
  const { verifyEstargz } = await import("../layer/index.ts");
  const verdict = await verifyEstargz(readerOf(content, digest, signal));
  const verified = verdict.kind === "verified";
  content.label(digest, { [ESTARGZ_LABEL]: String(verified) });
  return verified;
}

/** A layer's archive as it was before it was compressed: an eStargz layer's table of contents is no part of it. */
export async function* archiveOf(
  content: ContentStore,
  digest: Digest,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const what = `layer ${digest}`;
  const length = (await isEstargz(content, digest, signal)) ? await archiveLength(content, digest, signal) : undefined;
  const blob = content.open(digest, { signal, ...(length === undefined ? {} : { length }) });
  yield* decompress(blob, { format: "detect", what, limit: Limits.layerUnpacked });
}

async function archiveLength(content: ContentStore, digest: Digest, signal?: AbortSignal): Promise<number | undefined> {
  const { tocOffsetOf } = await import("../layer/index.ts");
  return await tocOffsetOf(readerOf(content, digest, signal));
}

function readerOf(content: ContentStore, digest: Digest, signal: AbortSignal | undefined): BlobReader {
  return {
    size: content.info(digest)?.size ?? 0,
    open: (offset, length) => content.open(digest, { offset, length, signal }),
  };
}
