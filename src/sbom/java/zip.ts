import { inflateRawSync } from "node:zlib";

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes, as the archive says. */
  readonly size: number;
  /** Returns the content; undefined if it is larger than `limit` bytes, or cannot be read. */
  read(limit: number): Buffer | undefined;
}

const DIRECTORY_END = 0x06054b50;
const DIRECTORY_END_SIZE = 22;
const MAX_COMMENT = 65_535;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_SIZE = 46;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_SIZE = 30;
const METHODS = { stored: 0, deflated: 8 } as const;

/**
 * Yields the files in a ZIP archive by its central directory: APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16. Archives of several parts,
 * encrypted ones and those with Zip64 sizes give nothing, or not all. Nothing is inflated beyond the limit that the reader gives.
 */
export function* zipEntries(bytes: Buffer): Generator<ZipEntry> {
  const end = directoryEnd(bytes);
  if (end === undefined) return;
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    if (at + DIRECTORY_ENTRY_SIZE > bytes.length || bytes.readUInt32LE(at) !== DIRECTORY_ENTRY) return;
    const [name, extra, comment] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field));
    const start = at + DIRECTORY_ENTRY_SIZE;
    const place = {
      method: bytes.readUInt16LE(at + 10),
      packed: bytes.readUInt32LE(at + 20),
      header: bytes.readUInt32LE(at + 42),
    };
    yield {
      name: bytes.toString("utf8", start, start + (name ?? 0)),
      size: bytes.readUInt32LE(at + 24),
      read: (limit) => contentAt(bytes, place, limit),
    };
    at = start + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
}

/** The end of the directory is the last thing in an archive but for a comment. */
function directoryEnd(bytes: Buffer): number | undefined {
  const first = Math.max(0, bytes.length - DIRECTORY_END_SIZE - MAX_COMMENT);
  for (let at = bytes.length - DIRECTORY_END_SIZE; at >= first; at -= 1)
    if (bytes.readUInt32LE(at) === DIRECTORY_END) return at;
  return undefined;
}

interface Place {
  readonly method: number;
  /** Bytes in the archive. */
  readonly packed: number;
  readonly header: number;
}

function contentAt(bytes: Buffer, { method, packed, header }: Place, limit: number): Buffer | undefined {
  if (header + LOCAL_HEADER_SIZE > bytes.length || bytes.readUInt32LE(header) !== LOCAL_HEADER) return undefined;
  const start = header + LOCAL_HEADER_SIZE + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
  const content = bytes.subarray(start, start + packed);
  if (content.length < packed) return undefined;
  if (method === METHODS.stored) return packed <= limit ? content : undefined;
  if (method !== METHODS.deflated) return undefined;
  try {
    return inflateRawSync(content, { maxOutputLength: limit });
  } catch {
    // It is damaged, or larger than it should be.
    return undefined;
  }
}
