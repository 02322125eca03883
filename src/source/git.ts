import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { VarveError, digestHex, digestOf } from "../core/index.ts";
import { SingleFlight, temporaryDirectory } from "../io/index.ts";
import { Root } from "../linux/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";
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
  readonly auth?: NonNullable<GitOptions["auth"]>;
  readonly sshSocket?: string;
}

export interface ResolvedGit {
  readonly request: GitRequest;
  /** The full commit hash. */
  readonly commit: string;
  readonly ref: string;
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const SAFE_REF = /^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$/;

/** Fetches commits into one bare repository a remote, and checks them out into records. */
export class GitSource {
  readonly #records: Records;
  readonly #folder: string;
  readonly #fetches = new SingleFlight<string, void>();

  /** `folder` holds the bare repositories. */
  constructor(records: Records, folder: string) {
    this.#records = records;
    this.#folder = folder;
  }

  async resolve(request: GitRequest, signal: AbortSignal | undefined): Promise<ResolvedGit> {
    const { commit, ref } = await resolveRef(request, signal);
    if (request.checksum !== undefined && !commit.startsWith(request.checksum)) {
      throw new VarveError(
        "corrupt",
        `Cannot use ${request.remote}: ${ref} is commit ${commit}, not ${request.checksum}`,
      );
    }
    return { request, commit, ref };
  }

  async record(resolved: ResolvedGit, hold: Hold): Promise<RecordId> {
    const { request, commit } = resolved;
    const repository = join(this.#folder, digestHex(digestOf(request.remote)));
    await this.#fetches.run(
      repository,
      (signal) => fetchCommit(repository, resolved, { ...request, signal }),
      hold.signal,
    );
    const description = `git snapshot for ${request.remote}#${resolved.ref === "" ? commit : resolved.ref}`;
    await using layer = await this.#records.begin(SCRATCH, { description, type: "source.git.checkout" }, hold);
    if (inSubdir(request)) {
      await using whole = await temporaryDirectory("checkout-", this.#folder);
      await checkout(repository, whole.path, resolved, hold.signal);
      await copySubdir(whole.path, request.subdir ?? "", layer.path);
    } else await checkout(repository, layer.path, resolved, hold.signal);
    return (await layer.commit()).id;
  }
}

function options(request: GitRequest, signal: AbortSignal | undefined): GitOptions {
  return { auth: request.auth, sshSocket: request.sshSocket, signal };
}

async function resolveRef(
  request: GitRequest,
  signal: AbortSignal | undefined,
): Promise<{ commit: string; ref: string }> {
  const { remote, ref = "" } = request;
  if (COMMIT.test(ref)) return { commit: ref, ref };
  if (ref !== "" && !SAFE_REF.test(ref))
    throw new VarveError("invalid-argument", `Cannot use git ref ${JSON.stringify(ref)}: it is not a valid name`);
  const patterns = ref === "" ? ["HEAD"] : [ref, `${ref}^{}`];
  const listing = await git(["ls-remote", "--symref", "--", remote, ...patterns], options(request, signal));
  const refs = new Map<string, string>();
  let head = "";
  for (const line of listing.split("\n")) {
    const [value = "", name = ""] = line.split("\t");
    if (value.startsWith("ref: ")) head = value.slice("ref: ".length);
    else if (COMMIT.test(value)) refs.set(name, value);
  }
  if (ref === "") return found(remote, "HEAD", refs.get("HEAD"), head);
  for (const name of ref.startsWith("refs/") ? [ref] : [`refs/${ref}`, `refs/heads/${ref}`, `refs/tags/${ref}`]) {
    const commit = refs.get(name);
    const peeled = request.keepGitDir === true ? undefined : refs.get(`${name}^{}`);
    if (commit !== undefined) return { commit: peeled ?? commit, ref: name };
  }
  return found(remote, ref, undefined, "");
}

function found(remote: string, what: string, commit: string | undefined, ref: string): { commit: string; ref: string } {
  if (commit !== undefined) return { commit, ref };
  throw new VarveError(
    "not-found",
    `Cannot find ${what} in ${remote}: the repository has no such branch, tag or commit`,
  );
}

async function fetchCommit(
  repository: string,
  { commit, ref, request }: ResolvedGit,
  given: GitOptions,
): Promise<void> {
  await mkdir(repository, { recursive: true });
  const inside = { ...options(request, given.signal), directory: repository };
  await git(["init", "--bare", "--quiet", repository], options(request, given.signal));
  const has = await git(["cat-file", "-e", `${commit}^{commit}`], inside).then(
    () => true,
    () => false,
  );
  if (has) return;
  try {
    await git(["fetch", "--quiet", "--depth=1", "--no-tags", "--", request.remote, commit], inside);
  } catch {
    // Some servers hand out only what a ref names.
    await git(["fetch", "--quiet", "--tags", "--", request.remote, ref === "" ? "HEAD" : ref], inside);
  }
}

function inSubdir({ subdir = "" }: GitRequest): boolean {
  return subdir !== "" && subdir !== "/";
}

async function checkout(
  repository: string,
  tree: string,
  resolved: ResolvedGit,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { commit, ref, request } = resolved;
  const given = options(request, signal);
  const directory = join(tree, ".git");
  const inside = { ...given, directory, workTree: tree };
  await git(["init", "--quiet", tree], given);
  await git(["fetch", "--quiet", "--depth=1", "--", repository, commit], { ...inside, auth: undefined });
  const branch = ref.startsWith("refs/heads/") ? ["-B", ref.slice("refs/heads/".length)] : ["--detach"];
  await git(["checkout", "--quiet", "--force", ...branch, "FETCH_HEAD"], inside);
  await git(["remote", "add", "origin", request.remote], inside);
  if (request.skipSubmodules !== true) {
    await git(["-C", tree, "submodule", "update", "--init", "--recursive", "--depth=1", "--quiet"], given);
  }
  if (request.keepGitDir !== true) await rm(directory, { recursive: true, force: true });
}

/** Copies one folder of a checkout, found inside it by the kernel. */
async function copySubdir(tree: string, subdir: string, target: string): Promise<void> {
  using root = Root.open(tree);
  const inside = String(root.resolve(subdir, { follow: true }));
  await cp(join(tree, inside), target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}
