import { lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../core/index.ts";
import { type Path, byteStringOf, lutimes, pathOfByteString } from "../linux/index.ts";
import { joinPath } from "../pattern/index.ts";
import { copyTree, entryPath, listNames } from "../snapshot/index.ts";
import { type GitOptions, git } from "./git-command.ts";
import { type Asking, type GitRequest, type ResolvedGit, optionsOf, remoteOptions } from "./git-remote.ts";

/**
 * Milliseconds that fetching submodules may print nothing. They may come by any protocol, and git prints nothing while it
 * writes files: so this is longer than what a server gets.
 */
const SUBMODULES_QUIET = 300_000;

/**
 * Checks a fetched commit out into an empty directory, with its submodules. The git directory is kept where the whole tree
 * is asked for with it: it knows the commit under its name, is on no branch, and holds no credentials of the remote.
 */
export async function checkout(repository: string, tree: string, resolved: ResolvedGit, asking: Asking): Promise<void> {
  const { commit, ref, request } = resolved;
  const isKept = request.keepGitDir === true && !inSubdir(request);
  const given = optionsOf(request, asking.signal);
  const directory = join(tree, ".git");
  const inside: GitOptions = { ...given, directory, workTree: tree };
  const name = isKept && ref.startsWith("refs/") ? `${commit}:${ref}` : commit;
  await git(["-c", "init.defaultBranch=master", "init", "--quiet", tree], given);
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
    const update = ["submodule", "update", "--init", "--recursive", "--depth=1", "--progress"];
    await git(update, { ...remoteOptions(request, asking), cwd: tree, quiet: request.quiet ?? SUBMODULES_QUIET });
  }
  if (!isKept) rmSync(directory, { recursive: true, force: true });
}

const MASK = "xxxxx";

/** The URL with another name and password in place of those it has, as BuildKit leaves it in a git directory. */
function withoutCredentials(remote: string): string {
  const url = URL.parse(remote);
  if (url === null || (url.username === "" && url.password === "")) return remote;
  if (url.username !== "") url.username = MASK;
  if (url.password !== "") url.password = MASK;
  return url.href;
}

/** Only a part of the repository is asked for. */
export function inSubdir(request: GitRequest): boolean {
  return subdirOf(request) !== "";
}

function subdirOf({ subdir = "" }: GitRequest): string {
  return joinPath("/", subdir).slice(1);
}

/** Copies one directory of a checkout. Throws `invalid-build` if it is none, or a link is on the way to it. */
export async function copySubdir(tree: string, { request }: ResolvedGit, target: string): Promise<void> {
  const subdir = subdirOf(request);
  let path = "";
  for (const name of subdir.split("/")) {
    path = joinPath(path, name);
    const state = stateOf(join(tree, path));
    if (state !== "directory")
      throw new VarveError(
        "invalid-build",
        `Cannot use ${request.remote}: subdirectory ${subdir}: ${path} ${state === "missing" ? "does not exist" : "is not a directory"}`,
      );
  }
  await copyTree(join(tree, subdir), target);
}

function stateOf(path: string): "directory" | "other" | "missing" {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return "missing";
  return stat.isDirectory() ? "directory" : "other";
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
