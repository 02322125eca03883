import { redact } from "../core/index.ts";
import { SingleFlight, temporaryDirectory } from "../io/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";
import { checkout, copySubdir, inSubdir, setTimes } from "./git-checkout.ts";
import { type Asking, type GitRequest, type ResolvedGit, resolveRequest } from "./git-remote.ts";
import { CHECKOUT, commitTime, fetchCommit, repositoryOf, useRepositories } from "./git-repository.ts";

/**
 * Fetches commits into one bare repository a remote, and checks them out into records. One source serves one build: a branch
 * means the same commit from the build's beginning to its end.
 */
export class GitSource {
  readonly #records: Records;
  readonly #folder: string;
  readonly #resolved = new Map<string, ResolvedGit>();
  readonly #resolving = new SingleFlight<string, ResolvedGit>();
  readonly #fetches = new SingleFlight<string, void>();

  /** `folder` holds the bare repositories. */
  constructor(records: Records, folder: string) {
    this.#records = records;
    this.#folder = folder;
  }

  /** Finds out which commit a request stands for. Throws `not-found`; `corrupt` if it is not the one that was asked for. */
  async resolve(request: GitRequest, { signal, onWait }: Asking): Promise<ResolvedGit> {
    const { remote, ref = "", keepGitDir = false, checksum = "", fetchByCommit = false } = request;
    const key = JSON.stringify([remote, ref, keepGitDir, checksum, fetchByCommit]);
    const ask = async (shared: AbortSignal): Promise<ResolvedGit> =>
      await resolveRequest(request, { signal: shared, onWait });
    const found = this.#resolved.get(key) ?? (await this.#resolving.run(key, ask, signal));
    this.#resolved.set(key, found);
    return { ...found, request };
  }

  /** When the commit was made: seconds since 1970. It is fetched for that. */
  async time(resolved: ResolvedGit, asking: Asking): Promise<number> {
    const { signal } = asking;
    using _use = await useRepositories(this.#folder, signal);
    return await commitTime(await this.#fetch(resolved, asking), resolved.commit, signal);
  }

  /** A record with the commit's files, or those of one folder of it. */
  async record(resolved: ResolvedGit, hold: Hold): Promise<RecordId> {
    const { request, commit, ref } = resolved;
    using _use = await useRepositories(this.#folder, hold.signal);
    const repository = await this.#fetch(resolved, hold);
    const description = `git snapshot for ${redact(request.remote)}#${ref === "" ? commit : ref}`;
    await using layer = await this.#records.begin(SCRATCH, { description, type: "source.git.checkout" }, hold);
    if (inSubdir(request)) {
      await using whole = await temporaryDirectory(CHECKOUT, this.#folder);
      await checkout(repository, whole.path, resolved, hold);
      await copySubdir(whole.path, resolved, layer.path);
    } else await checkout(repository, layer.path, resolved, hold);
    if (request.commitTimes === true) setTimes(layer.path, await commitTime(repository, commit, hold.signal));
    return (await layer.commit()).id;
  }

  async #fetch(resolved: ResolvedGit, { signal, onWait }: Asking): Promise<string> {
    const repository = repositoryOf(this.#folder, resolved.request.remote);
    await this.#fetches.run(
      `${repository} ${resolved.commit}`,
      (shared) => fetchCommit(repository, resolved, { signal: shared, onWait }),
      signal,
    );
    return repository;
  }
}
