import { VarveError, parseJson } from "../../core/index.ts";
import { type TransportRequest, type TransportResponse, bodyOf, quoted } from "../../http/index.ts";
import type { HttpClient, Refusal } from "../http-client.ts";
import type { Asking, ObjectBody } from "../object-store.ts";
import { readErrorBody, storeError } from "../store-error.ts";

/** An entry that was found. */
export interface FoundEntry {
  readonly key: string;
  /** It is signed, and a secret. */
  readonly url: URL;
}

/** The outcome of reserving a key. */
export type Reservation =
  /** `upload` writes the entry and makes it visible. */
  | { readonly kind: "reserved"; readonly upload: (body: ObjectBody, asking: Asking) => Promise<void> }
  /** There is an entry, or somebody is writing it. */
  | { readonly kind: "taken" }
  /** The service does not save: it is full, or nothing may be written. */
  | { readonly kind: "refused"; readonly why: string };

/** One version of the API of the cache service. */
export interface CacheApi {
  /** Finds the newest entry whose key begins with `key`. */
  find(key: string, asking: Asking): Promise<FoundEntry | undefined>;
  reserve(key: string, asking: Asking): Promise<Reservation>;
}

/** The version of all entries: SHA-256 of `|go-actionscache-1.0`. */
export const ENTRY_VERSION = "693bb7016429d80366022f036f84856888c9f13e00145f5f6f4dce303a38d6f2";
const MAX_ANSWER = 1_048_576;
/** Statuses with which the service says that it does not save. */
export const REFUSALS: readonly number[] = [400, 402, 403, 413, 422];

/** A request to the service. */
export interface ServiceRequest {
  readonly method: TransportRequest["method"];
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A JSON document, or bytes. */
  readonly body?: object | Uint8Array | undefined;
  readonly accept: readonly number[];
  readonly doing: string;
}

/** The answer of the service. */
export interface ServiceAnswer {
  readonly status: number;
  /** JSON, or empty. */
  readonly text: string;
}

/** Sends requests with a token to the service. */
export class CacheService {
  readonly #client: HttpClient;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(client: HttpClient, headers: Readonly<Record<string, string>>) {
    this.#client = client;
    this.#headers = headers;
  }

  async ask(
    { method, url, headers = {}, body, accept, doing }: ServiceRequest,
    asking: Asking,
  ): Promise<ServiceAnswer> {
    const isJson = body !== undefined && !(body instanceof Uint8Array);
    const sent = body === undefined ? undefined : bodyOf(isJson ? Buffer.from(JSON.stringify(body)) : body);
    const all = {
      ...this.#headers,
      ...(isJson ? { "content-type": "application/json" } : {}),
      ...headers,
      ...(sent === undefined ? {} : { "content-length": String(sent.length) }),
    };
    const exchange = {
      ...asking,
      accept,
      doing,
      prepare: () => Promise.resolve({ method, url, headers: all, body: sent }),
      explain: async (refused: TransportResponse, _doing: string, attempt: number) =>
        await refusalOf(refused, doing, attempt),
    };
    const { status, text } = await this.#client.answer(exchange, MAX_ANSWER);
    return { status, text: withoutMark(text) };
  }
}

/** Some answers begin with a byte order mark. */
function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, "");
}

async function refusalOf(response: TransportResponse, doing: string, attempt: number): Promise<Refusal> {
  const message = messageIn(withoutMark(await readErrorBody(response)));
  return { error: storeError(response.status, message, { doing, tries: attempt }) };
}

/** What the service says in an error, in both versions. */
export function messageIn(text: string): { readonly code: string; readonly text: string } {
  try {
    const fields = parseJson(text, "an error").requiredObject();
    const code = fields.string("typeKey") ?? fields.string("code") ?? "";
    return { code: quoted(code), text: quoted(fields.string("message") ?? fields.string("msg") ?? "") };
  } catch {
    return { code: "", text: quoted(text) };
  }
}

/**
 * Reads a URL in an answer of the service at `from`.
 *
 * @throws {VarveError} `remote` for what is no HTTP URL, and for plain HTTP from a service with TLS.
 */
export function answeredUrl(text: string | undefined, from: URL, doing: string): URL {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === "https:" || (url?.protocol === "http:" && from.protocol === "http:");
  if (url === undefined || !isHttp || url.username !== "" || url.password !== "")
    throw new VarveError("remote", `Cannot ${doing}: ${from.host} named no usable URL`);
  return url;
}
