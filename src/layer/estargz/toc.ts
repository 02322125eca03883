import { type Digest, formatGoTime, goJson, NS_PER_SECOND, wholeSeconds } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import type { TarEntryType, TarHeader } from "../types.ts";

/** Name of the file with the table of contents: the last entry of the archive, in a gzip member of its own. */
export const TOC_NAME = "stargz.index.json";

/** Size of the chunks of large files, in bytes. All known writers use this size. */
export const CHUNK_SIZE = 4_194_304;

type TocType = "dir" | "reg" | "symlink" | "hardlink" | "char" | "block" | "fifo" | "chunk";

/**
 * An entry of the table of contents. eStargz specification (stargz-snapshotter, docs/estargz.md), "TOC". Fields that are 0 or
 * empty are left out. Owner names are always left out.
 */
export interface TocEntry {
  /** The name as written in the archive. */
  readonly name: string;
  readonly type: TocType;
  readonly size?: number | undefined;
  /** RFC 3339, in UTC. */
  readonly modtime?: string | undefined;
  readonly linkName?: string | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Offset in the blob of the gzip member with this chunk of the file. */
  readonly offset?: number | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  /** Values in base64. */
  readonly xattrs?: ReadonlyMap<string, string> | undefined;
  /** Digest of the whole content of the file. */
  readonly digest?: Digest | undefined;
  /** Offset of this chunk in the file, and its size. Size 0 means up to the end of the file. */
  readonly chunkOffset?: number | undefined;
  readonly chunkSize?: number | undefined;
  readonly chunkDigest?: Digest | undefined;
}

const TYPES: Readonly<Record<TarEntryType, TocType>> = {
  file: "reg",
  directory: "dir",
  hardlink: "hardlink",
  symlink: "symlink",
  char: "char",
  block: "block",
  fifo: "fifo",
};

/** RFC 3339 has four digits for a year: 0000-01-01 to the end of 9999. */
const FIRST_SECOND = -62_167_219_200n;
const LAST_SECOND = 253_402_300_799n;

/** Converts a header to an entry, without the fields that describe the content. */
export function tocEntryOf(header: TarHeader): TocEntry {
  return {
    name: textOf(header.rawPath),
    type: TYPES[header.type],
    size: some(header.size),
    modtime: timeOf(header.mtime),
    linkName: header.linkPath === "" ? undefined : textOf(header.linkPath),
    mode: some(header.mode),
    uid: some(header.uid),
    gid: some(header.gid),
    devMajor: some(header.devMajor),
    devMinor: some(header.devMinor),
    xattrs: xattrsOf(header),
  };
}

/** Encodes an entry as JSON, always with the same order of fields. */
export function encodeTocEntry(entry: TocEntry): string {
  const { name, type, size, modtime, linkName, mode, uid, gid, offset, devMajor, devMinor } = entry;
  const { xattrs, digest, chunkOffset, chunkSize, chunkDigest } = entry;
  const header = { name, type, size, modtime, linkName, mode, uid, gid, offset, devMajor, devMinor };
  return goJson({ ...header, xattrs, digest, chunkOffset, chunkSize, chunkDigest });
}

/** Decodes a name as UTF-8, for JSON. Invalid UTF-8 becomes U+FFFD. */
export function textOf(name: ByteString): string {
  return Buffer.from(name, "latin1").toString();
}

function some(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

/** To the nearest second; the first second of 1970, and years that RFC 3339 does not have, are left out. */
function timeOf(mtime: bigint): string | undefined {
  const seconds = wholeSeconds(mtime + NS_PER_SECOND / 2n);
  if ((mtime >= 0n && mtime < NS_PER_SECOND) || seconds < FIRST_SECOND || seconds > LAST_SECOND) return undefined;
  return formatGoTime(seconds * NS_PER_SECOND);
}

/** In the order of their names, as Go writes a map. */
function xattrsOf({ xattrs }: TarHeader): ReadonlyMap<string, string> | undefined {
  if (xattrs.size === 0) return undefined;
  const sorted = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted.map(([name, value]) => [textOf(name), value.toString("base64")]));
}
