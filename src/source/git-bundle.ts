import { join } from "node:path";
import { temporaryDirectory } from "../io/index.ts";
import { git } from "./git-command.ts";
import type { ResolvedGit, WaitOptions } from "./git-remote.ts";
import { objectFormat } from "./git-repository.ts";

/** Name of the file in the record. */
const BUNDLE = "bundle";

/** Name of the branch in a bundle whose request names none. */
const FALLBACK = "refs/heads/main";

/**
 * Writes a git bundle with a fetched commit and its history into a directory. The bundle has one reference, with the name that was
 * requested. It is made in a repository of its own, so that nothing else gets into it.
 *
 * @throws {VarveError} `remote` if git fails.
 */
export async function writeBundle(
  repository: string,
  tree: string,
  { commit, request }: ResolvedGit,
  { signal }: WaitOptions,
): Promise<void> {
  await using temporary = await temporaryDirectory("varve-bundle-");
  const directory = join(temporary.path, "repository");
  const name = referenceOf(request.ref ?? "");
  await git(["-c", "init.defaultBranch=master", "init", "--quiet", "--bare", ...objectFormat(commit), directory], {
    signal,
  });
  await git(["fetch", "--quiet", "--no-tags", "--", repository, commit], { directory, signal });
  await git(["update-ref", name, commit], { directory, signal });
  await git(["bundle", "create", "--quiet", join(tree, BUNDLE), name], { directory, signal });
}

/** Returns the full name of a reference. Like BuildKit, takes a short name for a branch. */
function referenceOf(ref: string): string {
  if (ref === "" || /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref)) return FALLBACK;
  return ref.startsWith("refs/tags/") ? ref : `refs/heads/${ref.replace(/^refs\//, "").replace(/^heads\//, "")}`;
}
