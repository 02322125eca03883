import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { digestHex, digestOf, isVarveError, throwIfAborted } from "../core/index.ts";
import { makeDirectories, tryLock } from "../linux/index.ts";
import { git } from "./git-command.ts";
import { type Asking, type ResolvedGit, optionsOf, remoteOptions } from "./git-remote.ts";

/** Another process that fetches into the same repository is looked for this often, in milliseconds. */
const POLL = 100;
/** How the names of directories begin in which something is checked out. */
export const CHECKOUT = "checkout-";

/** The lock of a folder of repositories: shared by all that use one, exclusive for what removes them. */
const IN_USE = "lock";

/** Keeps the repositories of a folder, which is made if need be, from `unusedRepositories` until it is disposed of. */
export async function useRepositories(folder: string, signal: AbortSignal | undefined): Promise<Disposable> {
  makeDirectories(folder);
  return await lock(join(folder, IN_USE), signal, "shared");
}

/**
 * What stands in a folder of repositories that nobody uses, all of it or just what interrupted checkouts have left. Nobody can
 * use the folder until the last path was taken.
 */
export function* unusedRepositories(folder: string, which: "all" | "checkouts"): Generator<string> {
  if (!existsSync(folder)) return;
  using held = tryLock(join(folder, IN_USE), "exclusive");
  if (held === undefined) return;
  for (const name of readdirSync(folder))
    if (name !== IN_USE && (which === "all" || name.startsWith(CHECKOUT))) yield join(folder, name);
}

/** The bare repository that a remote's commits are fetched into, below `folder`. */
export function repositoryOf(folder: string, remote: string): string {
  return join(folder, digestHex(digestOf(remote)));
}

/** Has a commit in a bare repository, which is made if need be. One process at a time works on a repository. */
export async function fetchCommit(repository: string, resolved: ResolvedGit, asking: Asking): Promise<void> {
  const { commit, ref, request } = resolved;
  const { signal } = asking;
  const inside = { ...remoteOptions(request, asking), directory: repository };
  const fetch = ["fetch", "--progress"];
  makeDirectories(repository);
  using _lock = await lock(`${repository}.lock`, signal);
  await git(["init", "--bare", "--quiet", repository], optionsOf(request, signal));
  if (await hasCommit(repository, commit, signal)) return;
  try {
    await git([...fetch, "--depth=1", "--no-tags", "--", request.remote, commit], inside);
  } catch (error) {
    throwIfAborted(signal, "fetch a commit");
    if (isVarveError(error) && error.details.failure === "timeout") throw error;
    // Some servers hand out only what a ref names; an abbreviated or unreachable commit fails here as well.
    if (ref === commit) await git([...fetch, "--tags", "--", request.remote, "+refs/heads/*:refs/heads/*"], inside);
    else await git([...fetch, "--", request.remote, ref === "" ? "HEAD" : ref], inside);
    if (!(await hasCommit(repository, commit, signal))) throw error;
  }
}

async function hasCommit(repository: string, commit: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await git(["cat-file", "-e", `${commit}^{commit}`], { directory: repository, signal });
    return true;
  } catch {
    throwIfAborted(signal, "look for a commit");
    return false;
  }
}

/** When a fetched commit was made: seconds since 1970. */
export async function commitTime(repository: string, commit: string, signal: AbortSignal | undefined): Promise<number> {
  const text = await git(["log", "-1", "--format=%ct", commit], { directory: repository, signal });
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
