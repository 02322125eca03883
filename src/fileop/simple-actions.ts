import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";
import { VarveError, errnoOf } from "../core/index.ts";
import { Errno, type Path, byteStringOf, joinPath, pathOfByteString, systemError } from "../linux/index.ts";
import type { MkdirAction, MkfileAction, RmAction, SymlinkAction } from "../llb/index.ts";
import { basePath, cleanPath, dirPath } from "../pattern/index.ts";
import { removeTree } from "../snapshot/index.ts";
import type { UserId } from "./owner.ts";
import { SourceView } from "./source-view.ts";
import { type TargetTree, dress, setOwnerAndTime, statOf, timeOf } from "./target.ts";
import { expandWildcard } from "./wildcard.ts";

/** Makes a directory. One that exists stays as it is, and so does, unless parents are made too, anything else. */
export function mkdir(tree: TargetTree, action: MkdirAction, owner: UserId | undefined): void {
  const path = tree.locate(action.path);
  const look = { mode: action.mode & 0o777, owner, time: timeOf(action.timestamp) };
  if (action.makeParents) {
    tree.makeDirectories(path, look);
    return;
  }
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    throw error;
  }
  dress(path, look);
}

/** Writes a file. One that exists keeps its permissions and gets new content; what is no file is not opened. */
export function mkfile(tree: TargetTree, action: MkfileAction, owner: UserId | undefined): void {
  const path = tree.locate(action.path);
  const there = statOf(path);
  if (there?.isDirectory() === true) throw systemError(Errno.EISDIR, "open", path);
  if (there?.isFile() === false) {
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
  if (there === undefined) dress(path, { mode: action.mode & 0o777, owner, time });
  else setOwnerAndTime(path, { owner, time });
}

export function symlink(tree: TargetTree, action: SymlinkAction, owner: UserId | undefined): void {
  const path = tree.locate(action.newpath);
  symlinkSync(action.oldpath, path);
  setOwnerAndTime(path, { owner, time: timeOf(action.timestamp) });
}

/** Removes an entry, or all that match, with everything below. A link is removed, not what it links to. */
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

/** The entry itself: links are followed up to its directory. */
function entryOf(tree: TargetTree, path: Path): Path {
  const clean = cleanPath(`/${byteStringOf(path)}`);
  if (clean === "/") throw new VarveError("invalid-argument", "Cannot remove /: it is the whole tree");
  return joinPath(tree.locate(pathOfByteString(dirPath(clean))), pathOfByteString(basePath(clean)));
}
