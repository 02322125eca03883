import { VarveError } from "../core/index.ts";
import type { Hold } from "../record/index.ts";
import { type GitOptions, git } from "./git-command.ts";

/** A commit of a repository: the attributes of BuildKit's git source. */
export interface GitRequest {
  readonly remote: string;
  /** A branch, tag, `refs/…` or commit; the remote's default branch if absent. */
  readonly ref?: string | undefined;
  readonly subdir?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  /** A prefix of the resolved commit or, for a tag with an object of its own, of that object. */
  readonly checksum?: string | undefined;
  /** The remote is not asked what the reference stands for: it is the name of the commit that `checksum` gives in full. */
  readonly fetchByCommit?: boolean | undefined;
  readonly skipSubmodules?: boolean | undefined;
  /** Files get the time of the commit rather than of the checkout. */
  readonly commitTimes?: boolean | undefined;
  readonly auth?: NonNullable<GitOptions["auth"]> | undefined;
  readonly sshSocket?: string | undefined;
  /** Milliseconds a `git://` server (default 60,000) and the download of submodules (default 300,000) may be quiet. */
  readonly quiet?: number | undefined;
  /** Milliseconds that a remote is quiet before that is told of (default 5,000). */
  readonly notice?: number | undefined;
}

/** Ends work for a remote, and is told while it is waited for. */
export type Asking = Pick<Hold, "signal" | "onWait">;

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

/** Milliseconds that git's own protocol may be quiet. Over HTTP and SSH git itself gives up. */
const QUIET = 60_000;

/** For a command that asks the remote and prints how far it has come. */
export function remoteOptions(request: GitRequest, { signal, onWait }: Asking): GitOptions {
  const { notice, quiet = QUIET } = request;
  const host = hostOf(request);
  const onQuiet = onWait && ((ms: number) => onWait({ state: "quiet", host, ms, attempt: 1, attempts: 1 }));
  return { ...optionsOf(request, signal), quiet: isGitProtocol(request) ? quiet : undefined, onQuiet, notice };
}

/** The host of a remote: of a URL, or of `user@host:path`. */
function hostOf({ remote }: GitRequest): string {
  return URL.parse(remote)?.host ?? /^(?:[^@/]*@)?([^:/]+):/.exec(remote)?.[1] ?? "the repository";
}

function isGitProtocol({ remote }: GitRequest): boolean {
  return remote.startsWith("git://");
}

/** Asks the remote what a request stands for. Throws `not-found`, or `corrupt` if it is another commit than was asked for. */
export async function resolveRequest(request: GitRequest, asking: Asking): Promise<ResolvedGit> {
  const { remote, ref = "", checksum = "" } = request;
  // A name that starts with a dash would be an option; control characters have no place in any URL or path.
  if (/^-|\p{Cc}/u.test(remote) || remote === "")
    throw new VarveError("invalid-argument", `Cannot use git remote ${JSON.stringify(remote)}: not a URL`);
  if (ref !== "" && (!SAFE_REF.test(ref) || ref.includes("..")))
    throw new VarveError("invalid-argument", `Cannot use git ref ${JSON.stringify(ref)}: it is not a valid name`);
  if (!/^[0-9a-f]*$/i.test(checksum))
    throw new VarveError("invalid-build", `Cannot use ${remote}: checksum ${checksum} is not a commit hash`);
  const { commit, ref: name, tag } = await find(request, asking);
  if (![commit, tag].some((hash) => hash?.startsWith(checksum.toLowerCase()))) {
    const is = `${name === "" ? "HEAD" : name} is commit ${commit}`;
    throw new VarveError("corrupt", `Cannot use ${remote}: ${is}, not ${checksum}`);
  }
  return { request, commit, ref: name };
}

interface Found {
  readonly commit: string;
  readonly ref: string;
  /** The other hash by which a tag with an object of its own is known. */
  readonly tag?: string | undefined;
}

async function find(request: GitRequest, asking: Asking): Promise<Found> {
  const { ref = "", checksum = "", remote } = request;
  if (COMMIT.test(ref)) return { commit: ref, ref };
  if (request.fetchByCommit !== true) return await askRemote(request, asking);
  if (!COMMIT.test(checksum))
    throw new VarveError(
      "invalid-build",
      `Cannot use ${remote}: fetch-by-commit requires a full commit hash as checksum or reference`,
    );
  const name = ref === "" || ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
  return { commit: checksum, ref: name === "" ? checksum : name };
}

async function askRemote(request: GitRequest, asking: Asking): Promise<Found> {
  const { remote, ref = "" } = request;
  const patterns = ref === "" ? ["HEAD"] : [ref, `${ref}^{}`];
  const { refs, head } = parseListing(
    await git(["ls-remote", "--symref", "--", remote, ...patterns], remoteOptions(request, asking)),
  );
  for (const name of candidates(ref)) {
    const commit = refs.get(name);
    const peeled = refs.get(`${name}^{}`);
    if (commit === undefined) continue;
    const [used, other] = peeled === undefined || request.keepGitDir === true ? [commit, peeled] : [peeled, commit];
    return { commit: used, ref: ref === "" ? head : name, tag: other };
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
