import { lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { VarveError, isVarveError, NS_PER_SECOND } from "../core/index.ts";
import { type Path, byteStringOf, lutimes, pathOfByteString } from "../linux/index.ts";
import { joinPath } from "../pattern/index.ts";
import { copyTree, entryPath, listNames } from "../snapshot/index.ts";
import { type GitOptions, git } from "./git-command.ts";
import { objectFormat } from "./git-repository.ts";
import { type WaitOptions, type GitRequest, type ResolvedGit, optionsOf, remoteOptions } from "./git-remote.ts";

/**
 * Time-out for fetching submodules without output, in milliseconds. It is longer than that of a server, because git prints
 * nothing while it writes files.
 */
const SUBMODULES_QUIET = 300_000;

/**
 * Checks a fetched commit out into an empty directory, with its submodules. The git directory is kept if the request says so
 * and is for the whole tree. It then has a detached HEAD, a ref of the requested name, and no credentials of the remote.
 * @throws {VarveError} `remote` if git fails.
 */
export async function checkout(
  repository: string,
  tree: string,
  resolved: ResolvedGit,
  waiting: WaitOptions,
): Promise<void> {
  const { commit, ref, request } = resolved;
  const isKept = request.keepGitDir === true && !hasSubdir(request);
  const given = optionsOf(request, waiting.signal);
  const directory = join(tree, ".git");
  const inside: GitOptions = { ...given, directory, workTree: tree };
  const name = isKept && ref.startsWith("refs/") ? `${commit}:${ref}` : commit;
  await git(["-c", "init.defaultBranch=master", "init", "--quiet", ...objectFormat(commit), tree], given);
  await git(["fetch", "--quiet", "--update-head-ok", "--no-tags", "--depth=1", "--", repository, name], {
    ...inside,
    auth: undefined,
  });
  await git(["checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"], inside);
  await git(["remote", "add", "--", "origin", isKept ? withoutCredentials(request.remote) : request.remote], inside);
  if (isKept) {
    await git(["reflog", "expire", "--all", "--expire=now"], inside);
    rmSync(join(directory, "FETCH_HEAD"), { force: true });
  }
  if (request.skipSubmodules !== true) {
    await updateSubmodules(tree, request, waiting);
  }
  if (!isKept) rmSync(directory, { recursive: true, force: true });
}

/** Fetches the commits of submodules alone, or with their history from a server that cannot send less. */
async function updateSubmodules(tree: string, request: GitRequest, waiting: WaitOptions): Promise<void> {
  const options = { ...remoteOptions(request, waiting), cwd: tree, quiet: request.quiet ?? SUBMODULES_QUIET };
  const update = ["submodule", "update", "--init", "--recursive", "--progress"];
  try {
    await git([...update, "--depth=1"], options);
  } catch (error) {
    if (!isVarveError(error, "remote") || !error.message.includes("does not support shallow")) throw error;
    await git(update, options);
  }
}

const MASK = "xxxxx";

/** Returns the URL with its name and password masked, as BuildKit writes it to a git directory. */
function withoutCredentials(remote: string): string {
  const url = URL.parse(remote);
  if (url === null || (url.username === "" && url.password === "")) return remote;
  if (url.username !== "") url.username = MASK;
  if (url.password !== "") url.password = MASK;
  return url.href;
}

/** True if only a part of the repository is requested. */
export function hasSubdir(request: GitRequest): boolean {
  return subdirOf(request) !== "";
}

function subdirOf({ subdir = "" }: GitRequest): string {
  return joinPath("/", subdir).slice(1);
}

/**
 * Copies one directory of a checkout.
 * @throws {VarveError} `invalid-build` if it is not a directory, or if it or a directory above it is a symbolic link.
 */
export async function copySubdir(tree: string, { request }: ResolvedGit, target: string): Promise<void> {
  const subdir = subdirOf(request);
  let path = "";
  for (const name of subdir.split("/")) {
    path = joinPath(path, name);
    const stat = lstatSync(join(tree, path), { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) continue;
    const state = stat === undefined ? "does not exist" : "is not a directory";
    throw new VarveError("invalid-build", `Cannot use ${request.remote}: subdirectory ${subdir}: ${path} ${state}`);
  }
  await copyTree(join(tree, subdir), target);
}

/** Sets the times of a tree and of everything in it. `seconds` is since 1970. */
export function setTimes(tree: string, seconds: number): void {
  const time = BigInt(seconds) * NS_PER_SECOND;
  const visit = (path: Path): void => {
    if (lstatSync(path).isDirectory()) for (const name of listNames(path)) visit(entryPath(path, name));
    lutimes(path, { atime: time, mtime: time });
  };
  visit(pathOfByteString(byteStringOf(tree)));
}
