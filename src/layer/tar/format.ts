import { constants } from "node:fs";
import { VarveError } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import type { TarEntryType } from "../types.ts";

/** Size of the blocks that an archive consists of, in bytes. */
export const BLOCK = 512;

/** Offset and length of a field in a header block. POSIX.1-2017 pax, "ustar Interchange Format". */
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

export const FIELDS: Readonly<Record<FieldName, Field>> = {
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

/** The types of files in a directory. */
export const FILE_TYPES = ["file", "symlink", "char", "block", "directory", "fifo", "socket"] as const;
export type FileType = (typeof FILE_TYPES)[number];

/** The `S_IFMT` bits of each type in a file's mode. */
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

/** Largest device numbers on Linux: 12 and 20 bits. */
export const MAX_MAJOR = 0xfff;
export const MAX_MINOR = 0xf_ffff;

/** Returns the number of bytes between the end of the content and the next block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** Removes empty and "." components from a path, and resolves ".." as text. The result never leads above the root. */
export function cleanPath(raw: ByteString): ByteString {
  if (!/(?:^|\/)(?:\.{0,2}(?:\/|$))/.test(raw)) return raw;
  const parts: string[] = [];
  for (const part of raw.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Quotes a name for a message. Bytes that are not printable ASCII become `\xNN`. Truncates names of more than 200 bytes. */
export function quoted(name: ByteString): string {
  const shown = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return JSON.stringify(
    shown.replace(/[^\x20-\x7e…]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`),
  ).replaceAll("\\\\x", "\\x");
}

/** Returns the error for an archive that violates its format. `state` says how. */
export function corruptArchive(
  what: string,
  state: string,
  details: Readonly<Record<string, unknown>> = {},
): VarveError {
  return new VarveError("corrupt", `Cannot read ${what}: ${state}`, { details });
}
