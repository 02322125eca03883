import type { ByteString } from "../../linux/index.ts";
import { kindOf } from "../mode.ts";
import { FieldReader, FieldWriter } from "./fields.ts";

/**
 * What is known of an entry of a tree: the message `fsutil.types.Stat`. Strings are byte strings, because names need not be
 * UTF-8.
 */
export interface Stat {
  /** Relative to the root of the tree, with slashes. The root itself has no entry. */
  readonly path: ByteString;
  /** Type and permissions as Go's `os.FileMode`, which is not what the kernel uses. See `mode.ts`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: bigint;
  /** Nanoseconds since 1970. */
  readonly modTime: bigint;
  /** The target of a symbolic link. For another type, the path of an earlier entry: the entry is a hard link to it. */
  readonly linkname: ByteString;
  readonly devmajor: bigint;
  readonly devminor: bigint;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/** The entry with no path and only zeros. */
export const emptyStat: Stat = {
  path: "",
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0n,
  modTime: 0n,
  linkname: "",
  devmajor: 0n,
  devminor: 0n,
  xattrs: NO_XATTRS,
};

/** True for a directory. */
export function isDirectory({ mode }: Stat): boolean {
  return kindOf(mode) === "directory";
}

/** True for a regular file, and for another name of one. */
export function isRegularFile({ mode }: Stat): boolean {
  return kindOf(mode) === "file";
}

/** An entry as it was received. */
export interface EncodedStat {
  readonly content: Uint8Array;
}

/** Decodes a `Stat`. */
export function decodeStat(bytes: Uint8Array): Stat {
  return readStat(FieldReader.of(bytes));
}

/** Reads a `Stat` that is a part of a message. */
export function readStat(reader: FieldReader): Stat {
  let { path, mode, uid, gid, size, modTime, linkname, devmajor, devminor } = emptyStat;
  let xattrs: Map<ByteString, Uint8Array> | undefined;
  while (reader.next()) {
    const { field } = reader;
    if (field === 1 || field === 7) {
      if (!reader.isBytes()) continue;
      const text = reader.text();
      if (field === 1) path = text;
      else linkname = text;
    } else if (field >= 2 && field <= 4) {
      if (!reader.isNumber()) continue;
      const value = reader.uint32();
      if (field === 2) mode = value;
      else if (field === 3) uid = value;
      else gid = value;
    } else if (field >= 5 && field <= 9) {
      if (!reader.isNumber()) continue;
      const value = reader.int64();
      if (field === 5) size = value;
      else if (field === 6) modTime = value;
      else if (field === 8) devmajor = value;
      else devminor = value;
    } else if (field === 10 && reader.isBytes()) {
      xattrs ??= new Map();
      const [name, value] = readXattr(reader.message());
      xattrs.set(name, value);
    } else if (field !== 10) reader.skip();
  }
  return { path, mode, uid, gid, size, modTime, linkname, devmajor, devminor, xattrs: xattrs ?? NO_XATTRS };
}

/** Reads an entry of the map of extended attributes. */
function readXattr(reader: FieldReader): [ByteString, Uint8Array] {
  let name = "";
  let value: Uint8Array = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.field > 2) reader.skip();
    else if (reader.isBytes()) {
      if (reader.field === 1) name = reader.text();
      else value = Buffer.from(reader.bytes());
    }
  }
  return [name, value];
}

/** Encodes a `Stat`. Extended attributes are in the order of their names. */
export function encodeStat(stat: Stat): Buffer {
  const writer = new FieldWriter(128 + stat.path.length);
  writer.bytes(1, stat.path);
  writer.uint32(2, stat.mode);
  writer.uint32(3, stat.uid);
  writer.uint32(4, stat.gid);
  writer.int64(5, stat.size);
  writer.int64(6, stat.modTime);
  writer.bytes(7, stat.linkname);
  writer.int64(8, stat.devmajor);
  writer.int64(9, stat.devminor);
  for (const [name, value] of [...stat.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const entry = new FieldWriter(16 + name.length + value.length);
    entry.bytes(1, name);
    entry.bytes(2, value);
    writer.message(10, entry.finish());
  }
  return writer.finish();
}
