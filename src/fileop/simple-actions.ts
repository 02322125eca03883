import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";
import { VarveError, errnoOf } from "../core/index.ts";
import { Errno, type Path, byteStringOf, joinPath, pathOfByteString, systemError } from "../linux/index.ts";
import type { MkdirAction, MkfileAction, RmAction, SymlinkAction } from "../llb/index.ts";
import { basePath, cleanPath, dirPath } from "../pattern/index.ts";
import { removeTree } from "../snapshot/index.ts";
import { makeDirectories } from "./copy-target.ts";
import type { UserId } from "./owner.ts";
import { SourceView } from "./source-view.ts";
import { type TargetTree, setAttributes, setOwnerAndTime, statOf, timeOf } from "./target.ts";
import { expandWildcard } from "./wildcard.ts";

/**
 * Makes a directory. An existing directory is not changed. Any other existing entry is an error with `makeParents`, and left as
 * it is without.
 */
export function mkdir(tree: TargetTree, action: MkdirAction, owner: UserId | undefined): void {
  const path = tree.locate(action.path);
  const attributes = { mode: action.mode & 0o777, owner, time: timeOf(action.timestamp) };
  if (action.makeParents) {
    makeDirectories(tree, path, attributes);
    return;
  }
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    throw error;
  }
  setAttributes(path, attributes);
}

/** Writes a file. An existing file keeps its permissions. Devices, pipes and sockets are an error and are not opened. */
export function mkfile(tree: TargetTree, action: MkfileAction, owner: UserId | undefined): void {
  const path = tree.locate(action.path);
  const existing = statOf(path);
  if (existing?.isDirectory() === true) throw systemError(Errno.EISDIR, "open", path);
  if (existing?.isFile() === false) {
    throw new VarveError("invalid-build", `Cannot write ${action.path}: it is neither a file nor a directory`);
  }
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(path, flags, 0o600);
  try {
    if (!fstatSync(fd).isFile()) throw systemError(Errno.EINVAL, "open", path);
    ftruncateSync(fd);
    for (let at = 0; at < action.data.length;) at += writeSync(fd, action.data, at);
  } finally {
    closeSync(fd);
  }
  const time = timeOf(action.timestamp);
  if (existing === undefined) setAttributes(path, { mode: action.mode & 0o777, owner, time });
  else setOwnerAndTime(path, { owner, time });
}

/** Makes a symbolic link. */
export function symlink(tree: TargetTree, action: SymlinkAction, owner: UserId | undefined): void {
  const path = tree.locate(action.newpath);
  symlinkSync(action.oldpath, path);
  setOwnerAndTime(path, { owner, time: timeOf(action.timestamp) });
}

/** Removes an entry, or all that match, and everything below. Of a symbolic link, only the link itself is removed. */
export async function rm(
  tree: TargetTree,
  { path, allowNotFound, allowWildcard }: RmAction,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const match of allowWildcard ? matches(tree, path) : [path]) {
    const entry = entryOf(tree, match);
    if (statOf(entry) !== undefined) await removeTree(entry, { signal });
    else if (!allowNotFound) throw systemError(Errno.ENOENT, "lstat", entry);
  }
}

function matches(tree: TargetTree, pattern: string): Path[] {
  using view = new SourceView({ path: tree.prefix });
  return expandWildcard(view, pattern, { follow: false });
}

/** Returns the path of an entry. Links in its directory's path are followed; the entry itself may be a link. */
function entryOf(tree: TargetTree, path: Path): Path {
  const clean = cleanPath(`/${byteStringOf(path)}`);
  if (clean === "/") throw new VarveError("invalid-argument", "Cannot remove /: it is the whole tree");
  return joinPath(tree.locate(pathOfByteString(dirPath(clean))), pathOfByteString(basePath(clean)));
}
