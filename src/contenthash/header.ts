import { type Digest, compareBytes, digestOf } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { NodeKind } from "./types.ts";

/** What of an entry's metadata its checksum covers. Times, inode and link count are not part of it. */
export interface Header {
  readonly kind: NodeKind;
  /** Permission bits with set-id and sticky bits: `mode & 07777`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a regular file; heeded for nothing else. */
  readonly size: number;
  readonly linkname: ByteString;
  readonly major: number;
  readonly minor: number;
  /** As `keptXattrs` leaves them. */
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
 * The bytes in front of a file's content in its checksum: the header of Docker's tarsum, version 1, with an empty name,
 * owner names left out, and extended attributes at the end.
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

/** The digest of an entry without content. */
export function headerDigest(header: Header): Digest {
  return digestOf(headerBytes(header));
}

/** Overlay filesystems keep their own notes in attributes of a layer's directory; they are not part of the content. */
const OVERLAY = /^(trusted|user)\.overlay\./;

/** True for an extended attribute that is part of the checksum. */
export function isKeptXattr(name: string): boolean {
  if (name === "security.capability") return true;
  return !name.startsWith("security.") && !name.startsWith("system.") && !OVERLAY.test(name);
}

/** The attributes that count, in the order of their names. */
export function keptXattrs(xattrs: readonly Xattr[]): Xattr[] {
  return xattrs.filter(([name]) => isKeptXattr(name)).sort(([a], [b]) => compareBytes(a, b));
}
