import { existsSync, readdirSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError, digestHex, digestOf, isVarveError, throwIfAborted } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { makeDirectories, tryLock } from "../linux/index.ts";
import { git } from "./git-command.ts";
import { type GitRequest, type ResolvedGit, type WaitOptions, optionsOf, remoteOptions } from "./git-remote.ts";

/** Milliseconds between attempts to lock a repository that another process has locked. */
const POLL = 100;
/** Prefix of the names of temporary directories for checkouts. */
export const CHECKOUT = "checkout-";

/** Lock file of a folder of repositories: shared for users of a repository, exclusive for removal. */
const FOLDER_LOCK = "lock";

/** Protects the repositories of a folder from removal until it is disposed of. Creates the folder if it is missing. */
export async function useRepositories(folder: string, signal: AbortSignal | undefined): Promise<Disposable> {
  makeDirectories(folder);
  return await lock(join(folder, FOLDER_LOCK), signal, "shared");
}

/**
 * Yields the paths in a folder of repositories: all of them, or only what interrupted checkouts have left. Yields nothing while
 * another process uses the folder. Locks the folder until the generator ends.
 *
 * @example
 * for (const path of unusedRepositories(folder, "all")) rmSync(path, { recursive: true, force: true });
 */
export function* unusedRepositories(folder: string, which: "all" | "checkouts"): Generator<string> {
  if (!existsSync(folder)) return;
  using held = tryLock(join(folder, FOLDER_LOCK), "exclusive");
  if (held === undefined) return;
  for (const name of readdirSync(folder))
    if (name !== FOLDER_LOCK && (which === "all" || name.startsWith(CHECKOUT))) yield join(folder, name);
}

/**
 * Returns the path of a bare repository below `folder`: that of a remote, or that of a bundle. Repositories with whole histories are
 * others than those of single commits.
 */
export function repositoryOf(folder: string, { remote, bundle, checkoutBundle }: GitRequest): string {
  const name = bundle === undefined ? remote : `bundle ${bundle.digest}`;
  return join(folder, digestHex(digestOf(checkoutBundle === true ? `history ${name}` : name)));
}

/**
 * Fetches a commit into a bare repository, unless it is there already. Creates the repository if it is missing. Only one process
 * at a time changes a repository.
 * @throws {VarveError} `remote` if git fails, `cancelled`.
 */
export async function fetchCommit(repository: string, resolved: ResolvedGit, waiting: WaitOptions): Promise<void> {
  const { commit, ref, request } = resolved;
  const { signal } = waiting;
  const options = { ...remoteOptions(request, waiting), directory: repository };
  const fetch = ["fetch", "--progress"];
  makeDirectories(dirname(repository));
  using _lock = await lock(`${repository}.lock`, signal);
  if (existsSync(join(repository, "HEAD"))) await removeLocks(repository);
  else await createRepository(repository, resolved, signal);
  if (await hasObject(repository, commit, signal)) return;
  if (request.bundle !== undefined) return await fetchBundle(repository, resolved, waiting);
  try {
    const depth = request.checkoutBundle === true ? [] : ["--depth=1"];
    await git([...fetch, ...depth, "--no-tags", "--", request.remote, commit], options);
  } catch (error) {
    throwIfAborted(signal, "fetch a commit");
    if (isVarveError(error) && error.details.failure === "timeout") throw error;
    // Some servers serve only refs and not single commits. An abbreviated or unreachable commit fails here as well.
    if (ref === commit) await git([...fetch, "--tags", "--", request.remote, "+refs/heads/*:refs/heads/*"], options);
    else await git([...fetch, "--", request.remote, ref === "" ? "HEAD" : ref], options);
    if (!(await hasObject(repository, commit, signal))) throw error;
  }
}

/** Creates a bare repository. It is there as a whole or not at all, whatever kills git or this process. */
async function createRepository(
  repository: string,
  { commit, request }: ResolvedGit,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using made = await temporaryDirectory(CHECKOUT, dirname(repository));
  await git(["init", "--bare", "--quiet", ...objectFormat(commit), made.path], optionsOf(request, signal));
  await rm(repository, { recursive: true, force: true });
  await rename(made.path, repository);
}

/** Removes the lock files of a git that was killed: they would make every later one fail. Nobody else changes the repository. */
async function removeLocks(repository: string): Promise<void> {
  const names = (await readdir(repository)).filter((name) => name.endsWith(".lock"));
  await Promise.all(names.map((name) => rm(join(repository, name), { force: true })));
}

/** Fetches everything in a bundle. Throws `not-found` if the commit is not in it. */
async function fetchBundle(repository: string, { commit, request }: ResolvedGit, waiting: WaitOptions): Promise<void> {
  const { signal } = waiting;
  if (request.bundle === undefined) return;
  await using file = await request.bundle.open(waiting);
  await git(["fetch", "--quiet", "--", file.path, "+refs/*:refs/*"], { directory: repository, signal });
  if (await hasObject(repository, commit, signal)) return;
  throw new VarveError("not-found", `commit ${commit} not found in bundle ${request.bundle.digest}`);
}

/** Returns the option of `git init` for the repository of a commit: hashes of SHA-256 are longer. */
export function objectFormat(commit: string): string[] {
  return commit.length === 64 ? ["--object-format=sha256"] : [];
}

/** True if a repository has a commit, or a tag of one, with everything that it needs. */
async function hasObject(repository: string, hash: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await git(["cat-file", "-e", `${hash}^{commit}`], { directory: repository, signal });
    return true;
  } catch {
    throwIfAborted(signal, "look for a commit");
    return false;
  }
}

/** Returns the time of a fetched commit, in seconds since 1970. */
export async function commitTime(repository: string, commit: string, signal: AbortSignal | undefined): Promise<number> {
  const text = await git(["log", "-1", "--format=%ct", `${commit}^{commit}`], { directory: repository, signal });
  return Number(text.trim());
}

async function lock(
  path: string,
  signal: AbortSignal | undefined,
  mode: "shared" | "exclusive" = "exclusive",
): Promise<Disposable> {
  for (;;) {
    const held = tryLock(path, mode);
    if (held !== undefined) return held;
    throwIfAborted(signal, "wait for a git repository");
    await sleep(POLL, undefined, { signal }).catch(() => undefined);
  }
}
