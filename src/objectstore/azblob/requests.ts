import { type HttpBody, type TransportRequest, type TransportResponse, headerOf } from "../../http/index.ts";
import type { HttpClient, HttpExchange, Refusal } from "../http-client.ts";
import type { Asking } from "../object-store.ts";
import type { Authorizer } from "./authorizer.ts";
import { azureError, readAzureMessage } from "./errors.ts";

/** One request. */
export interface AzureRequest {
  readonly method: TransportRequest["method"];
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: HttpBody | undefined;
  readonly accept: readonly number[];
  /** For messages: `read azblob://account/container/key`. */
  readonly doing: string;
}

/** The version of the API. */
const VERSION = "2024-11-04";
const MAX_ANSWER = 16_777_216;
/** A clock that is wrong by more than this many milliseconds is corrected. Azure accepts 15 minutes. */
const MAX_SKEW = 300_000;

/** Sends authorized requests to Azure Blob Storage. */
export class AzureRequests {
  readonly client: HttpClient;
  readonly #authorizer: Authorizer;
  /** Milliseconds by which the server's clock is ahead of this machine's. */
  #skew = 0;

  constructor(client: HttpClient, authorizer: Authorizer) {
    this.client = client;
    this.#authorizer = authorizer;
  }

  /** Sends a request, and returns the accepted response. */
  async send(request: AzureRequest, asking: Asking): Promise<TransportResponse> {
    return await this.client.send(this.#exchange(request, asking));
  }

  /** Sends a request, and returns the body of its answer. */
  async text(request: Omit<AzureRequest, "accept">, asking: Asking): Promise<string> {
    return (await this.client.answer(this.#exchange({ ...request, accept: [200] }, asking), MAX_ANSWER)).text;
  }

  #exchange(request: AzureRequest, asking: Asking): HttpExchange {
    const { accept, doing } = request;
    return {
      ...asking,
      accept,
      doing,
      prepare: async () => await this.#prepare(request, asking),
      explain: async (response, _doing, attempt) => await this.#explain(response, doing, attempt),
    };
  }

  async #prepare(
    { method, url, headers = {}, body }: AzureRequest,
    { signal }: Asking,
  ): Promise<Omit<TransportRequest, "signal" | "onQuiet">> {
    const isWrite = method !== "GET" && method !== "HEAD";
    const all = {
      ...headers,
      ...(isWrite ? { "content-length": String(body?.length ?? 0) } : {}),
      "x-ms-date": new Date(Date.now() + this.#skew).toUTCString(),
      "x-ms-version": VERSION,
    };
    return { method, body, ...(await this.#authorizer.authorize({ method, url, headers: all }, signal)) };
  }

  async #explain(response: TransportResponse, doing: string, attempt: number): Promise<Refusal> {
    const { status, headers } = response;
    const error = azureError(status, await readAzureMessage(response), doing, attempt);
    const isRefused = status === 401 || status === 403;
    const mend = isRefused && (this.#setClock(headerOf(headers, "date")) || this.#authorizer.refused());
    return { error, mend };
  }

  /** Takes the server's time. Returns true if this machine's is wrong. */
  #setClock(date: string | undefined): boolean {
    const ahead = Date.parse(date ?? "") - Date.now();
    if (Number.isNaN(ahead) || Math.abs(ahead - this.#skew) <= MAX_SKEW) return false;
    this.#skew = ahead;
    return true;
  }
}
