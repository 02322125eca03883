import { type JsonObject, Limits, parseJson } from "../../core/index.ts";
import { type Bytes, decompress } from "../../io/index.ts";
import { corruptArchive } from "../tar/format.ts";
import { readTar } from "../tar/read.ts";
import { FOOTER_SIZE, parseFooter } from "./footer.ts";
import { TOC_NAME } from "./toc.ts";
import { splitToc } from "./toc-split.ts";

/** A blob with random access. */
export interface BlobReader {
  /** Size in bytes. */
  readonly size: number;
  /** Returns `length` bytes from `offset`. */
  open(offset: number, length: number): Bytes;
}

/** An entry of a table of contents. It is untrusted: the archive may say something else. */
export type TocClaim = JsonObject;

/** Returns the offset of the table of contents, read from the footer of a blob. Undefined if the blob is not eStargz. */
export async function tocOffsetOf(blob: BlobReader): Promise<number | undefined> {
  if (blob.size <= FOOTER_SIZE) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of blob.open(blob.size - FOOTER_SIZE, FOOTER_SIZE)) pieces.push(piece);
  const offset = parseFooter(Buffer.concat(pieces));
  return offset !== undefined && offset > 0 && offset < blob.size - FOOTER_SIZE ? offset : undefined;
}

/**
 * Returns the entries of the table of contents that begins at `offset`, in their order.
 * @throws {VarveError} `corrupt` if the table is malformed, or if it is not the only archive entry after `offset`
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

/** Returns a field with a natural number, or 0 if it is missing. Throws `corrupt` for any other value. */
export function naturalOf(claim: TocClaim, key: string): number {
  return claim.has(key) ? claim.size(key) : 0;
}
