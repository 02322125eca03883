import { VarveError, parseJson } from "../../core/index.ts";
import { Semaphore } from "../../io/index.ts";
import type { HttpClient } from "../http-client.ts";
import type { Asking, ObjectBody } from "../object-store.ts";
import { sendParts } from "../parts.ts";
import {
  type CacheApi,
  CacheService,
  ENTRY_VERSION,
  type FoundEntry,
  REFUSALS,
  type Reservation,
  answeredUrl,
  messageIn,
} from "./api.ts";

/** Entries are sent in parts of this size, at most four at a time. In bytes. */
const PART = 16_777_216;
const PARALLEL = 4;

/** Version 1 of the cache service, which GitHub Enterprise Server and services like it have. */
export class CacheApiV1 implements CacheApi {
  readonly #service: CacheService;
  readonly #base: URL;
  readonly #slots = new Semaphore(PARALLEL);

  constructor(client: HttpClient, url: URL, token: string) {
    const headers = { accept: "application/json;api-version=6.0-preview.1", authorization: `Bearer ${token}` };
    this.#service = new CacheService(client, headers);
    this.#base = new URL(`${url.pathname.replace(/\/$/, "")}/_apis/artifactcache/`, url);
  }

  async find(key: string, asking: Asking): Promise<FoundEntry | undefined> {
    const url = new URL("cache", this.#base);
    url.search = new URLSearchParams({ keys: key, version: ENTRY_VERSION }).toString();
    const doing = `look up cache entry ${key}`;
    const { status, text } = await this.#service.ask({ method: "GET", url, accept: [200, 204], doing }, asking);
    if (status === 204 || text.trim() === "") return undefined;
    const fields = parseJson(text, `cache entry ${key}`).requiredObject();
    const found = fields.string("cacheKey") ?? "";
    return found === "" ? undefined : { key: found, url: answeredUrl(fields.string("archiveLocation"), url, doing) };
  }

  async reserve(key: string, asking: Asking): Promise<Reservation> {
    const doing = `reserve cache entry ${key}`;
    const url = new URL("caches", this.#base);
    const accept = [200, 201, 409, ...REFUSALS];
    const body = { key, version: ENTRY_VERSION };
    const { status, text } = await this.#service.ask({ method: "POST", url, body, accept, doing }, asking);
    if (status === 200 || status === 201) {
      const id = idIn(text);
      return { kind: "reserved", upload: (content, how) => this.#upload(key, id, content, how) };
    }
    const message = messageIn(text);
    if (status === 409 || message.code.includes("AlreadyExists")) return { kind: "taken" };
    return { kind: "refused", why: message.text || `it answered ${status}` };
  }

  async #upload(key: string, id: string, body: ObjectBody, asking: Asking): Promise<void> {
    const url = new URL(`caches/${id}`, this.#base);
    const doing = `write cache entry ${key}`;
    await sendParts(body, {
      size: PART,
      slots: this.#slots,
      signal: asking.signal,
      send: async (bytes, at, signal) => {
        const from = at * PART;
        const headers = {
          "content-type": "application/octet-stream",
          "content-range": `bytes ${from}-${from + bytes.byteLength - 1}/*`,
        };
        const request = { method: "PATCH", url, headers, body: bytes, accept: [200, 204], doing } as const;
        await this.#service.ask(request, { ...asking, signal });
      },
    });
    const size = { size: body.size };
    await this.#service.ask({ method: "POST", url, body: size, accept: [200, 204], doing }, asking);
  }
}

/** The field is matched without case, as by Go. */
function idIn(text: string): string {
  const fields = parseJson(text, "a reserved cache entry").requiredObject();
  const name = [...fields.fieldNames()].find((each) => each.toLowerCase() === "cacheid") ?? "";
  const id = fields.integer(name);
  if (id === undefined) throw new VarveError("remote", "Cannot reserve a cache entry: the answer has no ID");
  return String(id);
}
