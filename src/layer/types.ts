import type { Bytes } from "../io/index.ts";
import type { ByteString } from "../linux/index.ts";

/** What an archive entry is. A hard link names an entry that came before it, or a file of a layer below. */
export type TarEntryType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

/**
 * An entry's metadata as read, with PAX and GNU extensions already folded in. Names are byte strings: one character per byte,
 * so that they sort as bytes do and names that are not UTF-8 survive; ASCII is the same in both.
 */
export interface TarHeader {
  /**
   * Relative and clean: no leading or trailing "/", no empty, "." or ".." component (".." is resolved by text and stops at
   * the root). "" is the root itself.
   */
  readonly path: ByteString;
  /** The name as it stands in the archive. */
  readonly rawPath: ByteString;
  readonly type: TarEntryType;
  /** Permission, set-id and sticky bits: 0 to 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content, a sparse file's holes included; 0 for all but files. */
  readonly size: number;
  /** Nanoseconds since 1970; may be negative. */
  readonly mtime: bigint;
  /** Target of a symbolic link, verbatim; target of a hard link, clean as `path`; otherwise "". */
  readonly linkPath: ByteString;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Extended attributes (`SCHILY.xattr.*` records) by full name. */
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

/** Bytes of a file, and where in the file they are. */
export interface TarPiece {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** An entry with its content, which is read at most once and only until the next entry is asked for. */
export interface TarEntry extends TarHeader {
  /** All of the content, a sparse file's holes as zeros. */
  readonly body: Bytes;
  /** For a sparse file, to be read instead of `body`: only what is stored, in order; what it leaves out are holes. */
  readonly pieces?: AsyncIterable<TarPiece> | undefined;
}

/** Content to be written: bytes at hand, or a stream of a known size that must turn out to have it. */
export type TarBody = Uint8Array | string | { readonly size: number; readonly bytes: Bytes };

/** An entry to write. What is left out is 0, empty, or for `mode` 0644 (0755 for a directory). */
export interface TarInput {
  /** Relative, without leading "/" or "./"; a directory's trailing "/" is added if it is missing. */
  readonly path: ByteString;
  /** "file" if left out. */
  readonly type?: TarEntryType | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Nanoseconds since 1970; written as whole seconds, rounded down. */
  readonly mtime?: bigint | undefined;
  readonly linkPath?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  readonly xattrs?: ReadonlyMap<ByteString, Uint8Array> | undefined;
  readonly body?: TarBody | undefined;
}
