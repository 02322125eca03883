import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, lgetxattr, llistxattr, pathOfByteString } from "../../linux/index.ts";
import { FILE_TYPES, type FileType, TYPE_BITS } from "../tar/format.ts";

const S_IFMT = 0o170_000;
const TYPES: ReadonlyMap<number, FileType> = new Map(FILE_TYPES.map((type) => [TYPE_BITS[type], type]));

/** The extended attribute with a file's capabilities. Layers contain no other attributes. */
export const CAPABILITY = "security.capability";

/** The status of a file, as far as a layer needs it. */
export type FileStats = Pick<
  BigIntStats,
  "dev" | "ino" | "mode" | "nlink" | "uid" | "gid" | "rdev" | "size" | "atimeNs" | "mtimeNs"
>;

/** A file in a tree. */
export interface TreeFile {
  /** Path from the root of the tree, without a leading "/". */
  readonly path: ByteString;
  /** Path for file operations. Empty for a directory that was described and not made. */
  readonly fullPath: ByteString;
  readonly type: FileType;
  readonly stats: FileStats;
  /** The status of the file at `fullPath`, if `stats` says what the layer has instead. */
  readonly content?: Pick<FileStats, "ino" | "size" | "mtimeNs"> | undefined;
}

/** Returns the file at `fullPath`, without following a symbolic link. Undefined if it does not exist. */
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

/** Like `findFile`, but undefined also for overlayfs's mark for a deleted file, and in a directory that does not exist. */
export function existing(directory: ByteString | undefined, name: ByteString, path: ByteString): TreeFile | undefined {
  if (directory === undefined) return undefined;
  const file = findFile(`${directory}/${name}`, path);
  return file === undefined || isWhiteoutDevice(file) ? undefined : file;
}

/** Returns the names in a directory, sorted by their bytes. */
export function namesIn(directory: ByteString): ByteString[] {
  return readdirSync(pathOfByteString(directory), { encoding: "latin1" }).sort();
}

export function linkTarget(file: TreeFile): ByteString {
  return readlinkSync(pathOfByteString(file.fullPath), { encoding: "latin1" });
}

export function xattrNames(file: TreeFile): string[] {
  return file.fullPath === "" ? [] : llistxattr(pathOfByteString(file.fullPath));
}

export function xattrOf(file: TreeFile, name: string): Buffer | undefined {
  return file.fullPath === "" ? undefined : lgetxattr(pathOfByteString(file.fullPath), name);
}

/** Returns whether a file is a 0:0 character device: overlayfs's mark for a deleted file. Trees never contain such a file. */
export function isWhiteoutDevice(file: TreeFile): boolean {
  return file.type === "char" && file.stats.rdev === 0n;
}

export function hasLinks(file: TreeFile): boolean {
  return file.type !== "directory" && file.stats.nlink > 1n;
}

/** Returns a text that is the same for all names (hard links) of a file. */
export function inodeKey({ stats }: TreeFile): string {
  return `${stats.dev}:${stats.ino}`;
}

export function joinBytes(directory: ByteString, name: ByteString): ByteString {
  return directory === "" ? name : `${directory}/${name}`;
}
