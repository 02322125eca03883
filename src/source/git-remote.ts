import { quietReporter } from "../io/index.ts";
import { type Digest, VarveError } from "../core/index.ts";
import type { Hold } from "../record/index.ts";
import { type GitOptions, git } from "./git-command.ts";

/** A commit of a repository: the attributes of BuildKit's git source. */
export interface GitRequest {
  readonly remote: string;
  /** A branch, tag, `refs/…` or commit. Defaults to the remote's default branch. */
  readonly ref?: string | undefined;
  readonly subdir?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  /** A prefix of the expected commit hash or, for an annotated tag, of the tag object's hash. */
  readonly checksum?: string | undefined;
  /** If true, the remote is not asked to resolve `ref`: the commit is `checksum`, which is then a full hash. */
  readonly fetchByCommit?: boolean | undefined;
  readonly skipSubmodules?: boolean | undefined;
  /** If true, files get the time of the commit and not of the checkout. */
  readonly commitTimes?: boolean | undefined;
  readonly auth?: NonNullable<GitOptions["auth"]> | undefined;
  readonly sshSocket?: string | undefined;
  /** The contents of a `known_hosts` file: other SSH hosts are refused. */
  readonly knownSshHosts?: string | undefined;
  /** The commit comes from a git bundle and not from the remote. `checksum` is then required. */
  readonly bundle?: GitBundle | undefined;
  /** The record has a file `bundle`, a git bundle with the commit and its history, and no checked out files. */
  readonly checkoutBundle?: boolean | undefined;
  /** Time-out in milliseconds for a `git://` server (default 60,000) or for submodules (default 300,000) without output. */
  readonly quiet?: number | undefined;
  /** Milliseconds without output before `onWait` is called. Defaults to 5,000. */
  readonly notice?: number | undefined;
}

/** A file that `git bundle create` has written. */
export interface GitBundle {
  /** Its digest. */
  readonly digest: Digest;
  /** Fetches the file, and returns its path until it is disposed of. */
  open(waiting: WaitOptions): Promise<OpenBundle>;
}

/** A file that can be read. */
export interface OpenBundle extends AsyncDisposable {
  readonly path: string;
}

/** `signal` cancels work on a remote; `onWait` is called while a remote is quiet. */
export type WaitOptions = Pick<Hold, "signal" | "onWait">;

/** A request whose commit is known. */
export interface ResolvedGit {
  readonly request: GitRequest;
  /** The commit's full hash; the hash of an annotated tag's object if the git directory is kept. */
  readonly commit: string;
  /** The full name of the reference. Empty for a remote's default branch without a name. */
  readonly ref: string;
  /** For an annotated tag, the other of the two hashes: of the tag's object, or of the commit if the git directory is kept. */
  readonly tag?: string | undefined;
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const SAFE_REF = /^[A-Za-z0-9_][A-Za-z0-9_./+@#-]*$/;

/** Returns git's options for a request. */
export function optionsOf({ auth, sshSocket, knownSshHosts }: GitRequest, signal: AbortSignal | undefined): GitOptions {
  return { auth, sshSocket, signal, knownHosts: knownSshHosts };
}

/** Time-out for git's own protocol, in milliseconds. For HTTP and SSH, git has time-outs itself. */
const QUIET = 60_000;

/** Returns git's options for a command that contacts the remote and prints its progress. */
export function remoteOptions(request: GitRequest, { signal, onWait }: WaitOptions): GitOptions {
  const { notice, quiet = QUIET } = request;
  const host = hostOf(request);
  const onQuiet = quietReporter(onWait, host);
  return { ...optionsOf(request, signal), quiet: isGitProtocol(request) ? quiet : undefined, onQuiet, notice };
}

/** Returns the host of a remote, which is a URL or `user@host:path`. */
function hostOf({ remote }: GitRequest): string {
  return URL.parse(remote)?.host ?? /^(?:[^@/]*@)?([^:/]+):/.exec(remote)?.[1] ?? "the repository";
}

function isGitProtocol({ remote }: GitRequest): boolean {
  return remote.startsWith("git://");
}

/**
 * Asks the remote which commit a request means.
 * @throws {VarveError} `not-found` if there is none, `corrupt` if it does not match the checksum, `invalid-argument` and
 * `invalid-build` for a malformed request, `remote` if git fails.
 */
export async function resolveRequest(request: GitRequest, waiting: WaitOptions): Promise<ResolvedGit> {
  const { remote, ref = "", checksum = "" } = request;
  // Git would read a name that starts with a dash as an option. No URL or path contains control characters.
  if (/^-|\p{Cc}/u.test(remote) || remote === "")
    throw new VarveError("invalid-argument", `Cannot use git remote ${JSON.stringify(remote)}: not a URL`);
  if (ref !== "" && (!SAFE_REF.test(ref) || ref.includes("..")))
    throw new VarveError("invalid-argument", `Cannot use git ref ${JSON.stringify(ref)}: it is not a valid name`);
  if (!/^[0-9a-f]*$/i.test(checksum))
    throw new VarveError(
      "invalid-build",
      `Cannot use ${remote}: invalid checksum ${checksum} for Git URL, expected hex commit hash`,
    );
  checkBundle(request);
  const { commit, ref: name, tag } = await findCommit(request, waiting);
  const hashes = [commit, tag].filter((hash) => hash !== undefined);
  if (!hashes.some((hash) => hash.startsWith(checksum.toLowerCase())))
    throw new VarveError(
      "corrupt",
      `Cannot use ${remote}: expected checksum to match ${checksum}, got ${hashes.join(" or ")}`,
    );
  return { request, commit, ref: name, tag };
}

/** Throws `invalid-build`, with BuildKit's texts, for requests about bundles that contradict themselves. */
function checkBundle({ bundle, checkoutBundle, checksum = "", keepGitDir, subdir = "" }: GitRequest): void {
  const invalid = (why: string): VarveError => new VarveError("invalid-build", why);
  if (bundle !== undefined && checksum === "") throw invalid("git.bundle requires git.checksum to be set");
  if (checkoutBundle !== true) return;
  if (keepGitDir === true) throw invalid("git.checkoutbundle is incompatible with git.keepgitdir");
  if (subdir !== "") throw invalid("git.checkoutbundle is incompatible with git.subdir");
}

interface FoundCommit {
  readonly commit: string;
  readonly ref: string;
  /** For an annotated tag, the other of the two hashes: of the tag object or of the commit. */
  readonly tag?: string | undefined;
}

async function findCommit(request: GitRequest, waiting: WaitOptions): Promise<FoundCommit> {
  const { ref = "", checksum = "", remote, bundle } = request;
  if (COMMIT.test(ref)) return { commit: ref, ref };
  if (bundle !== undefined) {
    if (ref === "") return { commit: checksum, ref: checksum };
    await using file = await bundle.open(waiting);
    return await listRemote({ ...request, remote: file.path }, waiting);
  }
  if (request.fetchByCommit !== true) return await listRemote(request, waiting);
  if (checksum === "")
    throw new VarveError(
      "invalid-build",
      `Cannot use ${remote}: fetch-by-commit requires a checksum or a commit SHA ref`,
    );
  if (!COMMIT.test(checksum))
    throw new VarveError(
      "invalid-build",
      `Cannot use ${remote}: fetch-by-commit requires a full commit SHA checksum, got ${JSON.stringify(checksum)}`,
    );
  const name = ref === "" || ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
  return { commit: checksum, ref: name === "" ? checksum : name };
}

async function listRemote(request: GitRequest, waiting: WaitOptions): Promise<FoundCommit> {
  const { remote, ref = "" } = request;
  const patterns = ref === "" ? ["HEAD"] : [ref, `${ref}^{}`];
  const { refs, head } = parseListing(
    await git(["ls-remote", "--symref", "--", remote, ...patterns], remoteOptions(request, waiting)),
  );
  for (const name of candidates(ref)) {
    const commit = refs.get(name);
    const peeled = refs.get(`${name}^{}`);
    if (commit === undefined) continue;
    const [used, other] = peeled === undefined || request.keepGitDir === true ? [commit, peeled] : [peeled, commit];
    return { commit: used, ref: ref === "" ? head : name, tag: other };
  }
  const what = ref === "" ? "HEAD" : ref;
  throw new VarveError("not-found", `Cannot use ${remote}: repository does not contain ref ${what}`);
}

/** Returns the full names that a short name may mean, in the order in which they are tried. */
function candidates(ref: string): readonly string[] {
  if (ref === "") return ["HEAD"];
  return ref.startsWith("refs/") ? [ref] : [`refs/${ref}`, `refs/heads/${ref}`, `refs/tags/${ref}`];
}

/** Parses the output of `git ls-remote --symref`. A HEAD with an unsafe name is ignored. */
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
