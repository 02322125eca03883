import { constants } from "node:fs";
import { VarveError } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import type { TarEntryType } from "../types.ts";

/** Everything in an archive is laid out in blocks. */
export const BLOCK = 512;

/** A field of a header block: offset and length. POSIX.1-2017 pax, "ustar Interchange Format". */
export type Field = readonly [offset: number, length: number];

export type FieldName =
  | "name"
  | "mode"
  | "uid"
  | "gid"
  | "size"
  | "mtime"
  | "checksum"
  | "typeFlag"
  | "linkName"
  | "magic"
  | "version"
  | "userName"
  | "groupName"
  | "devMajor"
  | "devMinor"
  | "prefix";

export const F: Readonly<Record<FieldName, Field>> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeFlag: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  userName: [265, 32],
  groupName: [297, 32],
  devMajor: [329, 8],
  devMinor: [337, 8],
  prefix: [345, 155],
};

export const TYPE_FLAG: Readonly<Record<TarEntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** What a name in a directory can be. */
export type FileType = Exclude<TarEntryType, "hardlink"> | "socket";

/** `S_IFMT` bits of what the filesystem calls a type. */
export const TYPE_BITS: Readonly<Record<FileType, number>> = {
  file: constants.S_IFREG,
  symlink: constants.S_IFLNK,
  char: constants.S_IFCHR,
  block: constants.S_IFBLK,
  directory: constants.S_IFDIR,
  fifo: constants.S_IFIFO,
  socket: constants.S_IFSOCK,
};

export const XATTR_PREFIX = "SCHILY.xattr.";

/** Device numbers as Linux has them: 12 and 20 bits. */
export const MAX_MAJOR = 0xfff;
export const MAX_MINOR = 0xf_ffff;

/** Bytes from the end of a content to the next block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/**
 * A name as a path from the root: empty and "." components dropped, ".." taken back by text and stopping at the root. The
 * kernel sees none of them.
 */
export function cleanPath(raw: ByteString): ByteString {
  if (!/(?:^|\/)(?:\.{0,2}(?:\/|$))/.test(raw)) return raw;
  const parts: string[] = [];
  for (const part of raw.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** A byte string in a message: what is not printable ASCII as `\xNN`. */
export function quoted(name: ByteString): string {
  const shown = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return JSON.stringify(
    shown.replace(/[^\x20-\x7e…]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`),
  ).replaceAll("\\\\x", "\\x");
}

/** The archive breaks its format, in the place that `state` says. */
export function corruptArchive(
  what: string,
  state: string,
  details: Readonly<Record<string, unknown>> = {},
): VarveError {
  return new VarveError("corrupt", `Cannot read ${what}: ${state}`, { details });
}
