import { createHash, hash } from "node:crypto";
import type { ContentEntry } from "../../contenthash/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { countFiles, decodeFiles, encodeFiles, MAX_ENTRIES } from "./codec.ts";
import { DIGEST_BYTES, type FileEntry } from "./entry.ts";

const NO_XATTRS: FileEntry["xattrs"] = [];

/** Bytes of a chunk's id. */
export const CHUNK_ID_BYTES = 12;
/** A chunk ends after about this many entries. A power of 2. */
const CHUNK_ENTRIES = 128;
/** Maximum number of entries that are listed. What comes after them is not explained. */
export const MAX_LISTED = 200_000;

/** A part of a list of files. Its id is the digest of its bytes, in hexadecimal. */
export interface FileChunk {
  readonly id: string;
  /** See `encodeFiles`. */
  readonly bytes: Uint8Array;
}

/**
 * The files that a content key covers, in chunks. Where a chunk ends depends on the paths in it only, so that the lists of two states of
 * a tree share the chunks of what is unchanged.
 */
export interface FileList {
  readonly chunks: readonly FileChunk[];
}

/** Makes the list of entries, in their order. */
export function fileListOf(entries: Iterable<ContentEntry>): FileList {
  const chunks: FileChunk[] = [];
  let open: FileEntry[] = [];
  let count = 0;
  const end = (): void => {
    if (open.length > 0) chunks.push(chunkOf(encodeFiles(open)));
    open = [];
  };
  for (const entry of entries) {
    count += 1;
    if (count > MAX_LISTED) break;
    open.push(fileEntryOf(entry));
    if (endsChunk(entry.path) || open.length === MAX_ENTRIES) end();
  }
  end();
  return { chunks };
}

/** Returns a chunk with its id. */
export function chunkOf(bytes: Uint8Array): FileChunk {
  const id = createHash("sha256").update(bytes).digest("hex");
  return { id: id.slice(0, CHUNK_ID_BYTES * 2), bytes };
}

/** Returns the entries of chunks, in order. Throws `corrupt`. */
export function entriesOf(chunks: Iterable<FileChunk>): FileEntry[] {
  return Array.from(chunks, ({ bytes }) => decodeFiles(bytes)).flat();
}

/** Returns the number of entries of a list. Throws `corrupt`. */
export function countOf({ chunks }: FileList): number {
  return chunks.reduce((sum, { bytes }) => sum + countFiles(bytes), 0);
}

/** True for about one of `CHUNK_ENTRIES` paths: FNV-1a. */
function endsChunk(path: ByteString): boolean {
  let state = 0x811c9dc5;
  for (let at = 0; at < path.length; at += 1) state = Math.imul(state ^ path.charCodeAt(at), 0x01000193);
  return ((state >>> 16) & (CHUNK_ENTRIES - 1)) === 0;
}

function fileEntryOf({ path, header, digest }: ContentEntry): FileEntry {
  const { kind, mode, uid, gid, size, linkname, xattrs } = header;
  const start = digest.indexOf(":") + 1;
  return {
    path,
    kind,
    mode,
    uid,
    gid,
    size: kind === "file" ? size : 0,
    link: linkname,
    digest: digest.slice(start, start + DIGEST_BYTES * 2),
    xattrs:
      xattrs.length === 0
        ? NO_XATTRS
        : xattrs.map(([name, value]) => [name, hash("sha256", value).slice(0, DIGEST_BYTES * 2)]),
  };
}
