import { VarveError } from "../core/index.ts";
import { type GitOptions, git } from "./git-command.ts";

/** A commit of a repository: the attributes of BuildKit's git source. */
export interface GitRequest {
  readonly remote: string;
  /** A branch, tag, `refs/…` or commit; the remote's default branch if absent. */
  readonly ref?: string;
  readonly subdir?: string;
  readonly keepGitDir?: boolean;
  /** A prefix the resolved commit must have. */
  readonly checksum?: string;
  readonly skipSubmodules?: boolean;
  /** Files get the time of the commit rather than of the checkout. */
  readonly commitTimes?: boolean;
  readonly auth?: NonNullable<GitOptions["auth"]>;
  readonly sshSocket?: string;
}

export interface ResolvedGit {
  readonly request: GitRequest;
  /** The full hash of the commit; of the tag's own object where the git directory is kept. */
  readonly commit: string;
  /** The full name of the reference, empty for a remote's default branch that has none. */
  readonly ref: string;
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const SAFE_REF = /^[A-Za-z0-9_][A-Za-z0-9_./+@#-]*$/;

/** How git is run for a request. */
export function optionsOf({ auth, sshSocket }: GitRequest, signal: AbortSignal | undefined): GitOptions {
  return { auth, sshSocket, signal };
}

/** Asks the remote what a request stands for. Throws `not-found`, or `corrupt` if it is another commit than was asked for. */
export async function resolveRequest(request: GitRequest, signal: AbortSignal | undefined): Promise<ResolvedGit> {
  const { remote, ref = "", checksum = "" } = request;
  // A name that starts with a dash would be an option; control characters have no place in any URL or path.
  if (/^-|\p{Cc}/u.test(remote) || remote === "")
    throw new VarveError("invalid-argument", `Cannot use git remote ${JSON.stringify(remote)}: not a URL`);
  if (ref !== "" && (!SAFE_REF.test(ref) || ref.includes("..")))
    throw new VarveError("invalid-argument", `Cannot use git ref ${JSON.stringify(ref)}: it is not a valid name`);
  const found = COMMIT.test(ref) ? { commit: ref, ref } : await askRemote(request, signal);
  if (!found.commit.startsWith(checksum.toLowerCase())) {
    const is = `${found.ref === "" ? "HEAD" : found.ref} is commit ${found.commit}`;
    throw new VarveError("corrupt", `Cannot use ${remote}: ${is}, not ${checksum}`);
  }
  return { request, ...found };
}

async function askRemote(
  request: GitRequest,
  signal: AbortSignal | undefined,
): Promise<{ commit: string; ref: string }> {
  const { remote, ref = "" } = request;
  const patterns = ref === "" ? ["HEAD"] : [ref, `${ref}^{}`];
  const { refs, head } = parseListing(
    await git(["ls-remote", "--symref", "--", remote, ...patterns], optionsOf(request, signal)),
  );
  for (const name of candidates(ref)) {
    const commit = refs.get(name);
    const peeled = request.keepGitDir === true ? undefined : refs.get(`${name}^{}`);
    if (commit !== undefined) return { commit: peeled ?? commit, ref: ref === "" ? head : name };
  }
  const what = ref === "" ? "HEAD" : ref;
  throw new VarveError(
    "not-found",
    `Cannot find ${what} in ${remote}: the repository has no such branch, tag or commit`,
  );
}

/** Where a short name is looked for, first to last. */
function candidates(ref: string): readonly string[] {
  if (ref === "") return ["HEAD"];
  return ref.startsWith("refs/") ? [ref] : [`refs/${ref}`, `refs/heads/${ref}`, `refs/tags/${ref}`];
}

/** What `git ls-remote --symref` prints. A name that is none of ours to repeat is left out. */
function parseListing(listing: string): { refs: ReadonlyMap<string, string>; head: string } {
  const refs = new Map<string, string>();
  let head = "";
  for (const line of listing.split("\n")) {
    const [value = "", name = ""] = line.split("\t");
    const target = value.startsWith("ref: ") ? value.slice("ref: ".length) : "";
    if (target !== "" && SAFE_REF.test(target) && name === "HEAD") head = target;
    else if (COMMIT.test(value)) refs.set(name, value);
  }
  return { refs, head };
}
