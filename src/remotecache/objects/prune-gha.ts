import { VarveError } from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import type { ActionsCache } from "../../objectstore/index.ts";
import { decodeContents, encodeContents } from "../export/codec.ts";
import { type PruneTargetOptions, type PrunedTarget, prunedContents } from "../export/prune.ts";
import type { GhaIndex } from "./gha-index.ts";
import { ghaBlobKey, ghaBlobs } from "./gha-keys.ts";
import { cloudReader } from "./object-document.ts";

/**
 * Prunes a document in the cache service: writes a version without the old exports, then deletes the versions before, if there is a token
 * for the repository. Blobs stay: the service itself evicts what nobody reads.
 *
 * @throws {VarveError} `not-found` if there is no cache; `busy` if another job writes at the same time; and what the service throws.
 */
export async function pruneGha(
  service: ActionsCache,
  index: GhaIndex,
  options: PruneTargetOptions,
): Promise<PrunedTarget> {
  const asking = { signal: options.signal };
  const document = await index.read(asking);
  const none = { generations: 0, records: 0, blobs: 0, bytes: 0 };
  if (document === undefined) throw new VarveError("not-found", `Cannot prune cache ${index.name}: it does not exist`);
  const { bytes, descriptor, etag } = document;
  const contents = await decodeContents({ bytes, type: descriptor.mediaType }, cloudReader(ghaBlobs(service), asking));
  if (contents === undefined) return none;
  await contents.graph.loadNotes(options.signal);
  const { contents: kept, lost } = prunedContents(contents, options);
  let newest = etag;
  if (lost.generations > 0) {
    const { manifest, notes } = encodeContents(kept, "annotated", options);
    if (notes !== undefined) {
      const { descriptor: blob, bytes: content } = notes;
      const body = { size: blob.size, digest: blob.digest, open: () => bytesOf(content) };
      await service.write(ghaBlobKey(blob.digest), body, asking);
    }
    const written = await index.write(manifest.bytes, etag, asking);
    if (written.kind === "refused")
      throw new VarveError(
        "remote",
        `Cannot prune cache ${index.name}: the cache service does not save: ${written.why}`,
      );
    if (written.kind === "conflict")
      throw new VarveError("busy", `Cannot prune cache ${index.name}: another job has just written to it`);
    newest = written.key;
  }
  const deleted = await deleteOlder(service, index, newest, asking);
  return { ...none, ...lost, bytes: deleted };
}

/** Deletes the versions before the newest. Returns their size. */
async function deleteOlder(
  { entries }: ActionsCache,
  { prefix, ref }: GhaIndex,
  newest: string | undefined,
  asking: { readonly signal?: AbortSignal | undefined },
): Promise<number> {
  if (entries === undefined || newest === undefined) return 0;
  const numberOf = (key: string): number => Number(key.slice(prefix.length));
  const older = await Array.fromAsync(entries.list(prefix, ref, asking));
  let bytes = 0;
  for (const entry of older) {
    if (!entry.key.startsWith(prefix) || !(numberOf(entry.key) < numberOf(newest))) continue;
    await entries.delete(entry, asking);
    bytes += entry.size;
  }
  return bytes;
}
