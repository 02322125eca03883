import { type Digest, compareBytes, digestOf } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";

export type NodeKind = "file" | "directory" | "symlink" | "character-device" | "block-device" | "fifo" | "socket";

/** The metadata that a checksum covers. Times, inode and link count are not part of it. */
export interface Header {
  readonly kind: NodeKind;
  /** Permission bits with set-id and sticky bits: `mode & 07777`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of a regular file in bytes. Ignored for other types. */
  readonly size: number;
  readonly linkname: ByteString;
  readonly major: number;
  readonly minor: number;
  /** The result of `keptXattrs`. */
  readonly xattrs: readonly Xattr[];
}

export type Xattr = readonly [name: string, value: Buffer];

const TYPE_FLAGS: Readonly<Record<NodeKind, string>> = {
  file: "0",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
  socket: "0",
};

/**
 * Returns the bytes that a checksum covers before the content: the header of Docker's tarsum, version 1, with an empty name,
 * without owner names, and with extended attributes at the end.
 */
export function headerBytes(header: Header): Buffer {
  const { kind } = header;
  const isDevice = kind === "character-device" || kind === "block-device";
  const text = [
    `namemode${header.mode}uid${header.uid}gid${header.gid}`,
    `size${kind === "file" ? header.size : 0}typeflag${TYPE_FLAGS[kind]}`,
    `linkname${kind === "symlink" ? header.linkname : ""}unamegname`,
    `devmajor${isDevice ? header.major : 0}devminor${isDevice ? header.minor : 0}`,
  ].join("");
  const attributes = header.xattrs.flatMap(([name, value]) => [Buffer.from(name), value]);
  return Buffer.concat([Buffer.from(text, "latin1"), ...attributes]);
}

/** Returns the digest of an entry without content. */
export function headerDigest(header: Header): Digest {
  return digestOf(headerBytes(header));
}

/** Returns the digest of everything that a header says except the size: that belongs to the content. */
export function attributesDigest(header: Header): Digest {
  return headerDigest({ ...header, size: 0 });
}

/** Attributes of overlayfs itself. They are not part of the content. */
const OVERLAY = /^(trusted|user)\.overlay\./;

/** Returns whether the checksum covers an extended attribute. */
export function isKeptXattr(name: string): boolean {
  if (name === "security.capability") return true;
  return !name.startsWith("security.") && !name.startsWith("system.") && !OVERLAY.test(name);
}

/** Returns the extended attributes that the checksum covers, sorted by their names. */
export function keptXattrs(xattrs: readonly Xattr[]): Xattr[] {
  return xattrs.filter(([name]) => isKeptXattr(name)).sort(([a], [b]) => compareBytes(a, b));
}
