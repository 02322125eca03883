import type { NodeKind } from "../../contenthash/index.ts";
import type { ByteString } from "../../linux/index.ts";

/** What is recorded of a file that a content key covers. */
export interface FileEntry {
  /** Absolute in its tree. */
  readonly path: ByteString;
  readonly kind: NodeKind;
  /** Permission bits with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** In bytes; 0 for anything but a regular file. */
  readonly size: number;
  /** The target of a symbolic link. Empty for other types. */
  readonly link: ByteString;
  /** The first bytes of the digest of metadata and content, in hexadecimal. */
  readonly digest: string;
  /** Extended attributes: names with the first bytes of the digests of their values. */
  readonly xattrs: readonly (readonly [name: string, digest: string])[];
}

/** Number of bytes of a digest that are kept: enough to tell that a file has changed, in lists that stay small. */
export const DIGEST_BYTES = 8;

/** The kinds of entries; their numbers are part of the encoding. */
export const KINDS: readonly NodeKind[] = [
  "file",
  "directory",
  "symlink",
  "character-device",
  "block-device",
  "fifo",
  "socket",
];
