import { Limits } from "../../core/index.ts";
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

/** What a table says of an entry; nothing about it is believed. */
export type TocClaim = Readonly<Record<string, unknown>>;

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
  let found = false;
  for await (const { rawPath, type, body } of readTar(tar, { what })) {
    if (found || rawPath !== TOC_NAME || type !== "file")
      throw corruptArchive(what, "it does not end with its table of contents");
    found = true;
    for await (const text of splitToc(body, what)) yield parsed(text, what);
  }
  if (!found) throw corruptArchive(what, "it has no table of contents");
}

function parsed(text: string, what: string): TocClaim {
  try {
    // The text is that of an object: it begins with "{".
    return JSON.parse(text) as TocClaim;
  } catch (error) {
    throw corruptArchive(what, "its table of contents is not JSON", { error: String(error) });
  }
}

/** A field of a claim that should be a number. Absent is 0; anything but a natural number is -1, which nothing is. */
export function naturalOf(claim: TocClaim, key: string): number {
  const value = Object.hasOwn(claim, key) ? claim[key] : 0;
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : -1;
}

export function fieldOf(claim: TocClaim, key: string): unknown {
  return Object.hasOwn(claim, key) ? claim[key] : undefined;
}
