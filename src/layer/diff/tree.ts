import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, lgetxattr, llistxattr, pathOfByteString } from "../../linux/index.ts";
import { type FileType, TYPE_BITS } from "../tar/format.ts";

const S_IFMT = 0o170_000;
const TYPES = new Map(Object.entries(TYPE_BITS).map(([type, bits]) => [bits, type as FileType]));

/** The attribute that holds a file's capabilities: the only one that layers carry. */
export const CAPABILITY = "security.capability";

/** A file as found in a tree. Paths are byte strings. */
export interface TreeFile {
  /** From the root of its tree, without a leading "/". */
  readonly path: ByteString;
  /** To be opened as it is. */
  readonly fullPath: ByteString;
  readonly type: FileType;
  readonly stats: BigIntStats;
}

/** The file at `fullPath` itself, or undefined if there is none. */
export function findFile(fullPath: ByteString, path: ByteString): TreeFile | undefined {
  let stats: BigIntStats | undefined;
  try {
    stats = lstatSync(pathOfByteString(fullPath), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) !== "ENOTDIR") throw error;
  }
  if (stats === undefined) return undefined;
  return { path, fullPath, stats, type: TYPES.get(Number(stats.mode) & S_IFMT) ?? "socket" };
}

/** Names in a directory in the order of their bytes. */
export function namesIn(directory: ByteString): ByteString[] {
  return readdirSync(pathOfByteString(directory), { encoding: "latin1" }).sort();
}

export function linkTarget(file: TreeFile): ByteString {
  return readlinkSync(pathOfByteString(file.fullPath), { encoding: "latin1" });
}

export function xattrNames(file: TreeFile): string[] {
  return llistxattr(pathOfByteString(file.fullPath));
}

export function xattrOf(file: TreeFile, name: string): Buffer | undefined {
  return lgetxattr(pathOfByteString(file.fullPath), name);
}

/** A character device 0:0: overlayfs's mark for "nothing here", and so nothing in any tree. */
export function isWhiteoutDevice(file: TreeFile): boolean {
  return file.type === "char" && file.stats.rdev === 0n;
}

export function hasLinks(file: TreeFile): boolean {
  return file.type !== "directory" && file.stats.nlink > 1n;
}

/** Equal for all names of one file. */
export function inodeKey({ stats }: TreeFile): string {
  return `${stats.dev}:${stats.ino}`;
}

export function joinBytes(directory: ByteString, name: ByteString): ByteString {
  return directory === "" ? name : `${directory}/${name}`;
}
