import { VarveError, parseJson } from "../../core/index.ts";
import type { HttpClient } from "../http-client.ts";
import type { Authorizer } from "../azblob/authorizer.ts";
import { AzureRequests } from "../azblob/requests.ts";
import { BlobUploads } from "../azblob/upload.ts";
import type { Asking, ObjectBody } from "../object-store.ts";
import {
  type CacheApi,
  CacheService,
  ENTRY_VERSION,
  type FoundEntry,
  REFUSALS,
  type Reservation,
  type ServiceAnswer,
  answeredUrl,
  messageIn,
} from "./api.ts";

const SERVICE = "twirp/github.actions.results.api.v1.CacheService/";
const ALREADY_EXISTS = "already_exists";

/** For URLs that are signed already. */
const SIGNED_URL: Authorizer = {
  authorize: ({ url, headers }) => Promise.resolve({ url, headers }),
  refused: () => false,
};

/** Version 2 of the cache service: calls by Twirp, and entries in Azure Blob Storage. */
export class CacheApiV2 implements CacheApi {
  readonly #service: CacheService;
  readonly #base: URL;
  readonly #uploads: BlobUploads;

  /** @param transfers - Sends what goes to the storage, which has other limits than the service. */
  constructor(client: HttpClient, transfers: HttpClient, url: URL, token: string) {
    this.#service = new CacheService(client, { authorization: `Bearer ${token}` });
    this.#base = new URL(`${url.pathname.replace(/\/$/, "")}/${SERVICE}`, url);
    this.#uploads = new BlobUploads(new AzureRequests(transfers, SIGNED_URL));
  }

  async find(key: string, asking: Asking): Promise<FoundEntry | undefined> {
    const doing = `look up cache entry ${key}`;
    const body = { key, restore_keys: [key], version: ENTRY_VERSION };
    const { text } = await this.#call("GetCacheEntryDownloadURL", { body, accept: [200], doing }, asking);
    const fields = parseJson(text, `cache entry ${key}`).requiredObject();
    if (fields.boolean("ok") !== true) return undefined;
    const url = answeredUrl(fields.string("signed_download_url"), this.#base, doing);
    return { key: fields.string("matched_key") ?? "", url };
  }

  async reserve(key: string, asking: Asking): Promise<Reservation> {
    const doing = `reserve cache entry ${key}`;
    const body = { key, version: ENTRY_VERSION };
    const accept = [200, 409, ...REFUSALS];
    const { status, text } = await this.#call("CreateCacheEntry", { body, accept, doing }, asking);
    if (status !== 200) {
      const message = messageIn(text);
      if (status === 409 || message.code === ALREADY_EXISTS) return { kind: "taken" };
      return { kind: "refused", why: message.text || `it answered ${status}` };
    }
    const fields = parseJson(text, "a reserved cache entry").requiredObject();
    if (fields.boolean("ok") !== true) {
      const why = fields.string("message") ?? "";
      return { kind: "refused", why: why === "" ? "it gave no reason" : messageIn(why).text };
    }
    const url = answeredUrl(fields.string("signed_upload_url"), this.#base, doing);
    return { kind: "reserved", upload: (content, how) => this.#upload(key, url, content, how) };
  }

  async #upload(key: string, signed: URL, content: ObjectBody, asking: Asking): Promise<void> {
    const doing = `write cache entry ${key}`;
    const url = (parameters: Readonly<Record<string, string>>): URL => {
      const all = new URL(signed);
      for (const [name, value] of Object.entries(parameters)) all.searchParams.set(name, value);
      return all;
    };
    await this.#uploads.put(content, { ...asking, url, doing });
    const body = { key, size_bytes: content.size, version: ENTRY_VERSION };
    const { text } = await this.#call("FinalizeCacheEntryUpload", { body, accept: [200], doing }, asking);
    if (parseJson(text, `cache entry ${key}`).requiredObject().boolean("ok") !== true)
      throw new VarveError("remote", `Cannot ${doing}: the cache service did not finish it`);
  }

  async #call(
    method: string,
    request: { readonly body: object; readonly accept: readonly number[]; readonly doing: string },
    asking: Asking,
  ): Promise<ServiceAnswer> {
    return await this.#service.ask({ method: "POST", url: new URL(method, this.#base), ...request }, asking);
  }
}
