import { chmodSync, closeSync, constants, linkSync, openSync, symlinkSync } from "node:fs";
import {
  type ByteString,
  copyData,
  lutimes,
  mknod,
  pathOfByteString,
  splitDevice,
  setOwner,
} from "../../linux/index.ts";
import { copyXattrs } from "./parent-directories.ts";
import type { CreateOptions } from "./create-entry.ts";
import { openFile } from "../diff/same-file.ts";
import { TYPE_BITS } from "../tar/format.ts";
import { linkTarget, type TreeFile } from "../diff/tree.ts";

/** Creates a hard link to a file. A symbolic link is linked itself, not its target. Throws EEXIST if `at` exists. */
export function createHardLink(target: ByteString, at: ByteString): void {
  linkSync(pathOfByteString(target), pathOfByteString(at));
}

/** Copies a file from the tree below the layer into the layer, with all its metadata. Not for directories. */
export async function copyUp(file: TreeFile, to: ByteString, { ownership, signal }: CreateOptions): Promise<void> {
  const at = pathOfByteString(to);
  if (file.type === "symlink") symlinkSync(pathOfByteString(linkTarget(file)), at);
  else if (file.type === "file") await copyContent(file, to, signal);
  else {
    const { major, minor } = splitDevice(file.stats.rdev);
    mknod(at, TYPE_BITS[file.type] | 0o600, major, minor);
  }
  if (ownership !== "process") setOwner(at, Number(file.stats.uid), Number(file.stats.gid));
  copyXattrs(file, to);
  if (file.type !== "symlink") chmodSync(at, Number(file.stats.mode) & 0o7777);
  lutimes(at, { atime: file.stats.atimeNs, mtime: file.stats.mtimeNs });
}

async function copyContent(file: TreeFile, to: ByteString, signal: AbortSignal | undefined): Promise<void> {
  using source = openFile(file);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(pathOfByteString(to), flags, 0o600);
  try {
    await copyData(source.fd, fd, signal);
  } finally {
    closeSync(fd);
  }
}
