import { redact } from "../core/index.ts";
import { SingleFlight, temporaryDirectory } from "../io/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";
import { writeBundle } from "./git-bundle.ts";
import { type GitSigner, verifyGitSignature } from "./git-signature.ts";
import { type GitObjects, factsOf, readObjects } from "./git-objects.ts";
import { checkout, copySubdir, hasSubdir, setTimes } from "./git-checkout.ts";
import { type WaitOptions, type GitRequest, type ResolvedGit, resolveRequest } from "./git-remote.ts";
import { CHECKOUT, commitTime, fetchCommit, repositoryOf, useRepositories } from "./git-repository.ts";

/**
 * Fetches commits into one bare repository per remote and checks them out into records. Create one source per build: within it,
 * a branch always means the same commit.
 *
 * @example
 * const git = new GitSource(records, "/var/lib/varve/git");
 * const resolved = await git.resolve({ remote: "https://example.org/app.git", ref: "main" }, hold);
 * const record = await git.record(resolved, hold);
 */
export class GitSource {
  readonly #records: Records;
  readonly #folder: string;
  readonly #resolved = new Map<string, ResolvedGit>();
  readonly #resolving = new SingleFlight<string, ResolvedGit>();
  readonly #fetches = new SingleFlight<string, void>();

  /** `folder` contains the bare repositories. It is created if missing. */
  constructor(records: Records, folder: string) {
    this.#records = records;
    this.#folder = folder;
  }

  /**
   * Returns the commit that a request means.
   * @throws {VarveError} `not-found` if there is none, `corrupt` if it does not match the checksum, `remote` if git fails.
   */
  async resolve(request: GitRequest, { signal, onWait }: WaitOptions): Promise<ResolvedGit> {
    const { remote, ref = "", keepGitDir = false, checksum = "", fetchByCommit = false } = request;
    const { bundle, checkoutBundle = false, subdir = "" } = request;
    const key = JSON.stringify([
      remote,
      ref,
      keepGitDir,
      checksum,
      fetchByCommit,
      bundle?.digest,
      checkoutBundle,
      subdir,
    ]);
    const ask = async (shared: AbortSignal): Promise<ResolvedGit> =>
      await resolveRequest(request, { signal: shared, onWait });
    const found = this.#resolved.get(key) ?? (await this.#resolving.run(key, ask, signal));
    this.#resolved.set(key, found);
    return { ...found, request };
  }

  /** Returns the time of the commit, in seconds since 1970. Fetches the commit. */
  async time(resolved: ResolvedGit, waiting: WaitOptions): Promise<number> {
    const { signal } = waiting;
    using _use = await useRepositories(this.#folder, signal);
    return await commitTime(await this.#fetch(resolved, waiting), resolved.commit, signal);
  }

  /** Returns the commit's object, and that of an annotated tag. Fetches them. */
  async objects(resolved: ResolvedGit, waiting: WaitOptions): Promise<GitObjects> {
    const { signal } = waiting;
    const facts = factsOf(resolved);
    using _use = await useRepositories(this.#folder, signal);
    const repository = await this.#fetch({ ...resolved, commit: facts.checksum }, waiting);
    return await readObjects(repository, facts, signal);
  }

  /**
   * Verifies the signature of an annotated tag, or else of the commit. Fetches them.
   * @throws {VarveError} `corrupt` if neither is signed by one of the keys.
   */
  async verify(resolved: ResolvedGit, signer: GitSigner, waiting: WaitOptions): Promise<void> {
    await verifyGitSignature(await this.objects(resolved, waiting), signer);
  }

  /** Returns a record with the commit's files, or with those of the requested subdirectory. */
  async record(resolved: ResolvedGit, hold: Hold): Promise<RecordId> {
    const { request, commit, ref } = resolved;
    using _use = await useRepositories(this.#folder, hold.signal);
    const repository = await this.#fetch(resolved, hold);
    const description = `git snapshot for ${redact(request.remote)}#${ref === "" ? commit : ref}`;
    await using layer = await this.#records.begin(SCRATCH, { description, type: "source.git.checkout" }, hold);
    if (request.checkoutBundle === true) await writeBundle(repository, layer.path, resolved, hold);
    else if (hasSubdir(request)) {
      await using whole = await temporaryDirectory(CHECKOUT, this.#folder);
      await checkout(repository, whole.path, resolved, hold);
      await copySubdir(whole.path, resolved, layer.path);
    } else await checkout(repository, layer.path, resolved, hold);
    if (request.commitTimes === true) setTimes(layer.path, await commitTime(repository, commit, hold.signal));
    return (await layer.commit()).id;
  }

  async #fetch(resolved: ResolvedGit, { signal, onWait }: WaitOptions): Promise<string> {
    const repository = repositoryOf(this.#folder, resolved.request);
    await this.#fetches.run(
      `${repository} ${resolved.commit}`,
      (shared) => fetchCommit(repository, resolved, { signal: shared, onWait }),
      signal,
    );
    return repository;
  }
}
