import { lstatSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { VarveError } from "../core/index.ts";
import { type Path, Root, byteStringOf, lutimes, pathOfByteString } from "../linux/index.ts";
import { copyTree, entryPath, listNames } from "../snapshot/index.ts";
import { type GitOptions, git } from "./git-command.ts";
import { type ResolvedGit, optionsOf } from "./git-remote.ts";

/** Checks a fetched commit out into an empty directory, with its submodules. */
export async function checkout(
  repository: string,
  tree: string,
  resolved: ResolvedGit,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { commit, ref, request } = resolved;
  const given = optionsOf(request, signal);
  const directory = join(tree, ".git");
  const inside: GitOptions = { ...given, directory, workTree: tree };
  await git(["init", "--quiet", tree], given);
  await git(["fetch", "--quiet", "--depth=1", "--", repository, commit], { ...inside, auth: undefined });
  const branch = ref.startsWith("refs/heads/") ? ["-B", ref.slice("refs/heads/".length)] : ["--detach"];
  await git(["checkout", "--quiet", "--force", ...branch, "FETCH_HEAD"], inside);
  await git(["remote", "add", "--", "origin", request.remote], inside);
  if (request.skipSubmodules !== true) {
    const update = ["submodule", "update", "--init", "--recursive", "--depth=1", "--quiet"];
    await git(update, { ...given, cwd: tree });
  }
  if (request.keepGitDir !== true) removeGitDirs(pathOfByteString(byteStringOf(tree)));
}

/** Removes the git directory, and what in submodules would lead to it. Git tracks no file of that name. */
function removeGitDirs(directory: Path): void {
  for (const name of listNames(directory)) {
    const path = entryPath(directory, name);
    if (name === ".git") rmSync(path, { recursive: true, force: true });
    else if (lstatSync(path).isDirectory()) removeGitDirs(path);
  }
}

/** Copies one folder of a checkout, found inside it by the kernel. */
export async function copySubdir(tree: string, resolved: ResolvedGit, target: string): Promise<void> {
  const { subdir = "", remote } = resolved.request;
  const missing = (state: string, cause?: unknown): VarveError =>
    new VarveError("invalid-build", `Cannot use ${remote}: subdirectory ${subdir} ${state}`, { cause });
  const from = join(tree, inside(tree, subdir, missing));
  if (!(await stat(from)).isDirectory()) throw missing("is not a directory");
  await copyTree(from, target);
}

function inside(tree: string, subdir: string, missing: (state: string, cause: unknown) => VarveError): string {
  using root = Root.open(tree);
  try {
    return String(root.resolve(subdir, { follow: true }));
  } catch (error) {
    throw missing("does not exist", error);
  }
}

/** Gives everything in a tree, and the tree itself, one time: seconds since 1970. */
export function setTimes(tree: string, seconds: number): void {
  const time = BigInt(seconds) * 1_000_000_000n;
  const visit = (path: Path): void => {
    if (lstatSync(path).isDirectory()) for (const name of listNames(path)) visit(entryPath(path, name));
    lutimes(path, { atime: time, mtime: time });
  };
  visit(pathOfByteString(byteStringOf(tree)));
}
