import { VarveError, parseJson } from "../../core/index.ts";
import type { HttpClient } from "../http-client.ts";
import type { Asking } from "../object-store.ts";
import { CacheService } from "./api.ts";

/** An entry in the list of a repository. */
export interface ListedEntry {
  readonly id: number;
  readonly key: string;
  /** Bytes. */
  readonly size: number;
}

const GITHUB = "https://api.github.com";
const PER_PAGE = 100;
/** Maximum number of pages. */
const MAX_PAGES = 200;

/** The entries of a repository, by GitHub's REST API. https://docs.github.com/rest/actions/cache */
export class RepositoryEntries {
  readonly #service: CacheService;
  readonly #base: URL;

  /** @throws {VarveError} `invalid-argument` for what is no repository. */
  constructor(client: HttpClient, { repository, token, api = GITHUB }: RepositoryAccess) {
    if (!/^[\w.-]{1,100}\/[\w.-]{1,100}$/.test(repository) || repository.includes(".."))
      throw new VarveError(
        "invalid-argument",
        `Cannot use repository ${JSON.stringify(repository)}: it is not owner/name`,
      );
    this.#service = new CacheService(client, {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "user-agent": "varve",
      "x-github-api-version": "2022-11-28",
    });
    this.#base = new URL(`${api.replace(/\/$/, "")}/repos/${repository}/actions/caches`);
  }

  /** Yields the entries of a ref whose keys begin with `key`. */
  async *list(key: string, ref: string, asking: Asking): AsyncGenerator<ListedEntry> {
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const url = new URL(this.#base);
      const parameters = { per_page: String(PER_PAGE), page: String(page), key, ref };
      url.search = new URLSearchParams(parameters).toString();
      const request = { method: "GET", url, accept: [200], doing: "list the cache entries of the repository" } as const;
      const { text } = await this.#service.ask(request, asking);
      const entries = parseJson(text, "cache entries").requiredObject().objects("actions_caches", PER_PAGE);
      for (const entry of entries)
        yield {
          id: entry.integer("id") ?? 0,
          key: entry.string("key") ?? "",
          size: entry.integer("size_in_bytes") ?? 0,
        };
      if (entries.length < PER_PAGE) return;
    }
  }

  async delete({ id, key }: ListedEntry, asking: Asking): Promise<void> {
    const url = new URL(`${this.#base.href}/${id}`);
    const doing = `delete cache entry ${key}`;
    await this.#service.ask({ method: "DELETE", url, accept: [200, 204, 404], doing }, asking);
  }
}

/** How the entries of a repository are reached. */
export interface RepositoryAccess {
  /** `owner/name`. */
  readonly repository: string;
  /** It needs `actions: read`; to delete entries, `actions: write`. */
  readonly token: string;
  /** Default: GitHub's. */
  readonly api?: string | undefined;
}
