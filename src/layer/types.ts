import type { Bytes } from "../io/index.ts";
import type { ByteString } from "../linux/index.ts";

/** The type of an archive entry. A hard link names an earlier entry, or a file of a lower layer. */
export type TarEntryType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

/**
 * The metadata of an entry, PAX and GNU extensions included. Names are byte strings: one character per byte. They sort as bytes
 * do, and names that are not UTF-8 are preserved. An ASCII name is the same text in both representations.
 */
export interface TarHeader {
  /**
   * Relative and clean: without leading or trailing "/", and without empty, "." or ".." components. ".." is resolved as text
   * and cannot leave the root. "" is the root itself.
   */
  readonly path: ByteString;
  /** The name as written in the archive. */
  readonly rawPath: ByteString;
  readonly type: TarEntryType;
  /** Permission, set-id and sticky bits: 0 to 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of the content in bytes, including the holes of a sparse file. 0 unless the entry is a file. */
  readonly size: number;
  /** Nanoseconds since 1970; may be negative. */
  readonly mtime: bigint;
  /** The target of a symbolic link, unchanged, or of a hard link, cleaned like `path`. "" for other types. */
  readonly linkPath: ByteString;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Extended attributes (`SCHILY.xattr.*` records) by their full names. */
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

/** A part of a file's content. */
export interface TarPiece {
  /** Offset in the file, in bytes. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** An entry with its content. Read the content at most once, and before requesting the next entry. */
export interface TarEntry extends TarHeader {
  /** The whole content. The holes of a sparse file are zeros. */
  readonly body: Bytes;
  /** Only for sparse files: the stored parts of the content, in order. Read either this or `body`. */
  readonly pieces?: AsyncIterable<TarPiece> | undefined;
}

/** The content of an entry to write: text, bytes, or a stream with exactly `size` bytes. */
export type TarBody = Uint8Array | string | { readonly size: number; readonly bytes: Bytes };

/** An entry to write. Missing fields default to 0 or empty; `mode` defaults to 0644, and to 0755 for a directory. */
export interface TarInput {
  /** Relative, without leading "/" or "./". A directory gets a trailing "/" if it has none. */
  readonly path: ByteString;
  /** The default is "file". */
  readonly type?: TarEntryType | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Nanoseconds since 1970. Written in whole seconds, rounded down. */
  readonly mtime?: bigint | undefined;
  readonly linkPath?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  readonly xattrs?: ReadonlyMap<ByteString, Uint8Array> | undefined;
  readonly body?: TarBody | undefined;
}
