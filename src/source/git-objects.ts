import { type GitOptions, git, gitBytes } from "./git-command.ts";
import type { ResolvedGit } from "./git-remote.ts";

/** What is known about a request before anything is fetched. */
export interface GitFacts {
  /** The full name of the reference, or the hash that was requested. */
  readonly ref: string;
  /** The hash that the remote has for the reference: of the tag's object if it is an annotated tag. */
  readonly checksum: string;
  /** The commit of an annotated tag; undefined for anything else, and for a tag if the git directory is kept. */
  readonly commitChecksum?: string | undefined;
}

/** `GitFacts`, with the objects themselves as git stores them, without their headers. */
export interface GitObjects extends GitFacts {
  readonly commitObject: Uint8Array;
  readonly tagObject?: Uint8Array | undefined;
}

/** Returns the facts of a resolved request. */
export function factsOf({ commit, ref, tag, request }: ResolvedGit): GitFacts {
  if (tag === undefined || request.keepGitDir === true) return { ref, checksum: commit };
  return { ref, checksum: tag, commitChecksum: commit };
}

/** Reads the objects of a commit, or of a tag and its commit, from a repository that has them. */
export async function readObjects(
  repository: string,
  { ref, checksum }: GitFacts,
  signal: AbortSignal | undefined,
): Promise<GitObjects> {
  const options: GitOptions = { directory: repository, signal };
  const type = (await git(["cat-file", "-t", checksum], options)).trim();
  if (type !== "tag") return { ref, checksum, commitObject: await gitBytes(["cat-file", "commit", checksum], options) };
  const commitChecksum = (await git(["rev-parse", `${checksum}^{commit}`], options)).trim();
  return {
    ref,
    checksum,
    commitChecksum,
    tagObject: await gitBytes(["cat-file", "tag", checksum], options),
    commitObject: await gitBytes(["cat-file", "commit", commitChecksum], options),
  };
}
