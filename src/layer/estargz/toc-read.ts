import { type JsonObject, Limits, parseJson } from "../../core/index.ts";
import { type Bytes, decompress } from "../../io/index.ts";
import { corruptArchive } from "../tar/format.ts";
import { readTar } from "../tar/read.ts";
import { FOOTER_SIZE, parseFooter } from "./footer.ts";
import { TOC_NAME } from "./toc.ts";
import { splitToc } from "./toc-split.ts";

/** A blob of which any part can be read. */
export interface BlobReader {
  /** Bytes. */
  readonly size: number;
  open(offset: number, length: number): Bytes;
}

/** What a table says of an entry, not checked against the archive yet. */
export type TocClaim = JsonObject;

/** Where a blob's table of contents begins, by its footer; undefined if it has none and so is no eStargz blob. */
export async function tocOffsetOf(blob: BlobReader): Promise<number | undefined> {
  if (blob.size <= FOOTER_SIZE) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of blob.open(blob.size - FOOTER_SIZE, FOOTER_SIZE)) pieces.push(piece);
  const offset = parseFooter(Buffer.concat(pieces));
  return offset !== undefined && offset > 0 && offset < blob.size - FOOTER_SIZE ? offset : undefined;
}

/**
 * The entries of the table of contents that begins at `offset`, in its order. Throws `corrupt` unless the table is the only
 * entry there, and what it holds is a list of objects.
 */
export async function* readToc(blob: BlobReader, offset: number, what: string): AsyncGenerator<TocClaim> {
  const member = blob.open(offset, blob.size - FOOTER_SIZE - offset);
  const tar = decompress(member, { format: "gzip", what, limit: Limits.layerUnpacked });
  const options = { error: (state: string) => corruptArchive(what, `its table of contents is malformed: ${state}`) };
  let found = false;
  for await (const { rawPath, type, body } of readTar(tar, { what })) {
    if (found || rawPath !== TOC_NAME || type !== "file")
      throw corruptArchive(what, "it does not end with its table of contents");
    found = true;
    for await (const text of splitToc(body, what)) yield parseJson(text, what, options).requiredObject();
  }
  if (!found) throw corruptArchive(what, "it has no table of contents");
}

/** A field that holds a natural number; 0 if it is absent. Throws `corrupt`. */
export function naturalOf(claim: TocClaim, key: string): number {
  return claim.has(key) ? claim.size(key) : 0;
}
