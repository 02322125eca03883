import { VarveError, withhold } from "../../core/index.ts";
import { type TransportResponse } from "../../http/index.ts";
import { type Environment, HttpClient, type HttpLimits, limited } from "../http-client.ts";
import type { Asking, ObjectBody, OpenedObject } from "../object-store.ts";
import { infoOf } from "../response.ts";
import { resumed } from "../resume.ts";
import { Throttle } from "../throttle.ts";
import { readErrorBody, storeError } from "../store-error.ts";
import { type CacheApi, type FoundEntry, messageIn } from "./api.ts";
import { RepositoryEntries } from "./entries.ts";
import { type CacheToken, checkCacheToken, readCacheToken } from "./token.ts";
import { CacheApiV1 } from "./v1.ts";
import { CacheApiV2 } from "./v2.ts";

/** Options of `openActionsCache`. */
export interface ActionsCacheOptions extends HttpLimits {
  readonly version: 1 | 2;
  /** URL of the service of this version. */
  readonly url: string;
  readonly token: string;
  /** Milliseconds that each request may wait because the service limits its rate. Default: ten minutes. */
  readonly patience?: number | undefined;
  readonly repository?: { readonly name: string; readonly token: string } | undefined;
  /** Default: the environment of this process. */
  readonly env?: Environment | undefined;
}

/** The outcome of writing an entry. Entries are immutable. */
export type EntryWritten =
  | { readonly kind: "written" }
  /** There is an entry, or somebody is writing it. */
  | { readonly kind: "taken" }
  /** The service does not save. */
  | { readonly kind: "refused"; readonly why: string };

/** An entry that is being read. */
export interface OpenedEntry {
  readonly key: string;
  readonly object: OpenedObject;
}

/**
 * The entries of the cache service of GitHub Actions.
 *
 * @throws {VarveError} from every method: `remote` if the service refuses or cannot be reached, `unauthorized`, `cancelled`.
 */
export interface ActionsCache extends Disposable {
  /** Shown to users. It contains no secrets. */
  readonly name: string;
  readonly token: CacheToken;
  /** The list of the repository's entries, if a token for it was given. */
  readonly entries: RepositoryEntries | undefined;
  /** @throws {VarveError} `unauthorized` if the token is not valid now. */
  check(): void;
  /** Returns the key of the newest entry whose key begins with `prefix`. */
  find(prefix: string, asking: Asking): Promise<string | undefined>;
  /** Opens the newest entry whose key begins with `prefix`. */
  newest(prefix: string, asking: Asking): Promise<OpenedEntry | undefined>;
  /** Opens an entry. Returns undefined if it does not exist. */
  open(key: string, asking: Asking): Promise<OpenedObject | undefined>;
  write(key: string, body: ObjectBody, asking: Asking): Promise<EntryWritten>;
}

const PATIENCE = 600_000;
/** Statuses of a download whose URL has ended. */
const ENDED: ReadonlySet<number> = new Set([401, 403]);

/**
 * Opens the cache service of GitHub Actions. Nothing is sent before the first operation.
 *
 * @throws {VarveError} `invalid-argument` for a URL or a token that is none.
 */
export function openActionsCache(options: ActionsCacheOptions): ActionsCache {
  const { version, token, patience = PATIENCE, repository, env = process.env } = options;
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw new VarveError("invalid-argument", "Cannot use the cache of GitHub Actions: its URL is not an HTTP URL");
  using stack = new DisposableStack();
  const claims = readCacheToken(token);
  stack.use(withhold(token, repository?.token ?? ""));
  const client = stack.use(new HttpClient({ env, ...limited(options), throttle: new Throttle(patience) }));
  const transfers = stack.use(new HttpClient({ env, ...limited(options) }));
  const api = version === 1 ? new CacheApiV1(client, url, token) : new CacheApiV2(client, transfers, url, token);
  const access = repository && { repository: repository.name, token: repository.token, api: env["GITHUB_API_URL"] };
  const entries = access && new RepositoryEntries(client, access);
  return new ServiceCache({ host: url.host, token: claims, api, transfers, entries, stack: stack.move() });
}

interface ServiceCacheParts {
  readonly host: string;
  readonly token: CacheToken;
  readonly api: CacheApi;
  readonly transfers: HttpClient;
  readonly entries: RepositoryEntries | undefined;
  readonly stack: DisposableStack;
}

class ServiceCache implements ActionsCache {
  readonly name: string;
  readonly token: CacheToken;
  readonly entries: RepositoryEntries | undefined;
  readonly #api: CacheApi;
  readonly #transfers: HttpClient;
  readonly #stack: DisposableStack;

  constructor({ host, token, api, transfers, entries, stack }: ServiceCacheParts) {
    this.name = `gha://${host}`;
    this.token = token;
    this.entries = entries;
    this.#api = api;
    this.#transfers = transfers;
    this.#stack = stack;
  }

  check(): void {
    checkCacheToken(this.token);
  }

  async find(prefix: string, asking: Asking): Promise<string | undefined> {
    return (await this.#api.find(prefix, asking))?.key;
  }

  async newest(prefix: string, asking: Asking): Promise<OpenedEntry | undefined> {
    const found = await this.#api.find(prefix, asking);
    if (found === undefined) return undefined;
    const object = await this.#read(found, prefix, asking);
    return object && { key: found.key, object };
  }

  async open(key: string, asking: Asking): Promise<OpenedObject | undefined> {
    const found = await this.#api.find(key, asking);
    return found?.key === key ? await this.#read(found, key, asking) : undefined;
  }

  /** Opens an entry that was found by a prefix of its key. */
  async #read(first: FoundEntry, prefix: string, asking: Asking): Promise<OpenedObject | undefined> {
    const doing = `read cache entry ${first.key}`;
    let entry = first;
    const open = async (from: number): Promise<TransportResponse | undefined> => {
      const response = await this.#get(entry, from, asking);
      if (response === undefined || !ENDED.has(response.status)) return response;
      await response.discard();
      // The URL has ended: one new one is asked for.
      const again = await this.#api.find(prefix, asking);
      if (again?.key !== first.key) return undefined;
      entry = again;
      const next = await this.#get(entry, from, asking);
      if (next === undefined || !ENDED.has(next.status)) return next;
      throw storeError(next.status, messageIn(await readErrorBody(next)), { doing, tries: 2 });
    };
    const response = await open(0);
    if (response === undefined) return undefined;
    const reading = { open, doing, host: first.url.host, signal: asking.signal };
    return { info: infoOf(response), bytes: resumed(this.#transfers, response, 0, reading) };
  }

  async write(key: string, body: ObjectBody, asking: Asking): Promise<EntryWritten> {
    const reserved = await this.#api.reserve(key, asking);
    if (reserved.kind !== "reserved") return reserved;
    await reserved.upload(body, asking);
    return { kind: "written" };
  }

  /** Returns undefined if the entry has been removed. */
  async #get({ key, url }: FoundEntry, from: number, asking: Asking): Promise<TransportResponse | undefined> {
    const doing = `read cache entry ${key}`;
    const range = from === 0 ? {} : { range: `bytes=${from}-` };
    const response = await this.#transfers.send({
      ...asking,
      accept: [200, 206, 404, ...ENDED],
      doing,
      prepare: () => Promise.resolve({ method: "GET", url, headers: { "x-ms-version": "2024-11-04", ...range } }),
      explain: async (refused, _doing, attempt) => {
        const message = messageIn(await readErrorBody(refused));
        return { error: storeError(refused.status, message, { doing, tries: attempt }) };
      },
    });
    if (response.status !== 404) return response;
    await response.discard();
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}
