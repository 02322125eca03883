import { lstatSync, mkdirSync } from "node:fs";
import { errnoOf } from "../../../core/index.ts";
import { extractArchive, isArchive } from "../../../layer/index.ts";
import {
  type ByteString,
  type Path,
  Root,
  byteStringOf,
  joinPath,
  pathOfByteString,
  setOwner,
} from "../../../linux/index.ts";
import { basePath, dirPath } from "../../../pattern/index.ts";
import type { CopySource } from "./copy-sources.ts";
import { type CopyOptions, type Owner, TreeCopy } from "./copy-tree.ts";
import { stepError } from "../failure.ts";

export interface PlaceOptions extends CopyOptions {
  /** True for ADD: archives are unpacked and keep their owners. */
  readonly unpack: boolean;
}

const ROOT: Owner = { uid: 0, gid: 0 };

/** Copies or unpacks a source into a tree. `destination` is absolute; one that ends in "/" is a directory. */
export async function copyToDestination(
  tree: string,
  source: CopySource,
  destination: string,
  options: PlaceOptions,
): Promise<void> {
  using root = Root.open(tree);
  const from = source.tree.fullPath(source.tree.resolve(pathOfByteString(source.path)));
  const at = root.locate(destination);
  const stat = lstatSync(from);
  if (stat.isDirectory()) return await copyDirectory(root, from, at, options);
  const what = Buffer.from(source.path, "latin1").toString("utf8");
  if (options.unpack && source.unpacks && (await isArchive(from, what))) {
    makeDirectories(root, at, ROOT);
    await extractArchive({ path: from }, within(root, at), { what, signal: options.signal });
    return;
  }
  const isDirectory = destination.endsWith("/") || isDirectoryAt(within(root, at));
  const target = isDirectory ? joined(at, pathOfByteString(basePath(source.path))) : at;
  makeDirectories(root, parentOf(target), options.owner ?? ROOT);
  await new TreeCopy(options).file(from, within(root, target));
}

async function copyDirectory(root: Root, from: Path, at: Path, options: PlaceOptions): Promise<void> {
  const isNew = !isDirectoryAt(within(root, at));
  makeDirectories(root, at, ROOT);
  await new TreeCopy(options).contents(from, within(root, at));
  const { owner } = options;
  if (isNew && owner !== undefined && at.length > 0) setOwner(within(root, at), owner.uid, owner.gid);
}

/** `at` comes from `locate` and so has no symbolic links in its parents. */
function within(root: Root, at: Path): Path {
  return joinPath(`${root.path}/.`, at);
}

function joined(at: Path, name: Path): Path {
  return at.length === 0 ? name : joinPath(at, name);
}

function parentOf(at: Path): Path {
  const parent = dirPath(byteStringOf(at));
  return parent === "." ? "" : pathOfByteString(parent);
}

function isDirectoryAt(path: Path): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Makes directories, and those above them, that root owns. */
export function makeDirectoriesIn(tree: string, paths: readonly string[]): void {
  using root = Root.open(tree);
  for (const path of paths) makeDirectories(root, root.locate(path), ROOT);
}

/** Makes missing directories with mode 0755. Existing ones are not changed. For another kind of entry, throws the daemon's error. */
function makeDirectories(root: Root, at: Path, owner: Owner): void {
  let path: Path = `${root.path}/.`;
  const names = byteStringOf(at)
    .split("/")
    .filter((part) => part !== "");
  for (const [index, name] of names.entries()) {
    path = joinPath(path, pathOfByteString(name));
    if (isDirectoryAt(path)) continue;
    makeDirectory(path, () => `/${names.slice(0, index + 1).join("/")}`);
    setOwner(path, owner.uid, owner.gid);
  }
}

function makeDirectory(path: Path, shown: () => ByteString): void {
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    throw stepError(`mkdir ${Buffer.from(shown(), "latin1").toString("utf8")}: not a directory`, error);
  }
}
