import { VarveError } from "../../core/index.ts";
import { type HttpBody, type TransportRequest, type TransportResponse, headerOf } from "../../http/index.ts";
import type { AwsCredentialSource } from "../credentials/aws.ts";
import type { HttpAnswer, HttpClient, HttpExchange } from "../http-client.ts";
import type { Asking } from "../object-store.ts";
import type { BucketAddress } from "./address.ts";
import { refusalOf, s3Error } from "./errors.ts";
import { messageIn } from "../store-error.ts";
import { EMPTY_PAYLOAD, signed } from "./sign.ts";

/** A request about a key of a bucket. */
export interface S3Request {
  readonly method: TransportRequest["method"];
  readonly key: string;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: HttpBody | undefined;
  /** SHA-256 of the body. Default: that of nothing. */
  readonly payload?: string | undefined;
  readonly accept: readonly number[];
  /** A verb for messages: `read`. */
  readonly doing: string;
}

const MAX_ANSWER = 8_388_608;
/** Statuses of requests whose keys or time are wrong. */
const REFUSED: ReadonlySet<number> = new Set([400, 401, 403]);

/** Sends signed requests to one bucket. */
export class S3Requests implements Disposable {
  readonly client: HttpClient;
  readonly address: BucketAddress;
  readonly #credentials: AwsCredentialSource;
  /** Milliseconds by which the server's clock is ahead of this machine's. */
  #skew = 0;

  constructor(client: HttpClient, address: BucketAddress, credentials: AwsCredentialSource) {
    this.client = client;
    this.address = address;
    this.#credentials = credentials;
  }

  /** Names a key in messages. */
  nameOf(key: string): string {
    return `s3://${this.address.place.bucket}/${key}`;
  }

  /** Sends a request, and returns the accepted response. */
  async send(request: S3Request, asking: Asking): Promise<TransportResponse> {
    return await this.client.send(this.#exchange(request, asking));
  }

  /** Sends a request, and returns the accepted response with its body. */
  async answer(request: S3Request, asking: Asking): Promise<HttpAnswer> {
    return await this.client.answer(this.#exchange(request, asking), MAX_ANSWER);
  }

  /** Sends a request, and returns the body of its answer. Throws if the body is an error, which may come with status 200. */
  async text(request: Omit<S3Request, "accept">, asking: Asking): Promise<string> {
    const { text: xml } = await this.answer({ ...request, accept: [200] }, asking);
    const doing = `${request.doing} ${this.nameOf(request.key)}`;
    if (!/<Error[\s>]/.test(xml.slice(0, 512))) return xml;
    throw s3Error(200, messageIn(xml), doing, 1);
  }

  #exchange(request: S3Request, asking: Asking): HttpExchange {
    const { key, accept } = request;
    let keys = "";
    return {
      ...asking,
      accept,
      doing: `${request.doing} ${this.nameOf(key)}`,
      prepare: async () => {
        const prepared = await this.#sign(request, asking);
        keys = prepared.keys;
        return prepared;
      },
      explain: async (response, doing, attempt) => {
        const refusal = await refusalOf(response, doing, attempt);
        // The answer to HEAD does not say why.
        const mend = refusal.mend === true || (request.method === "HEAD" && REFUSED.has(response.status));
        if (mend) {
          this.#setClock(headerOf(response.headers, "date"));
          this.#credentials.forget(keys);
        }
        return { ...refusal, mend };
      },
    };
  }

  async #sign(
    { method, key, parameters, headers = {}, body, payload = EMPTY_PAYLOAD }: S3Request,
    { signal }: Asking,
  ): Promise<Omit<TransportRequest, "signal"> & { readonly keys: string }> {
    const keys = await this.#credentials.keys(signal);
    if (keys === undefined)
      throw new VarveError("unauthorized", `Cannot use ${this.nameOf("")}: no AWS credentials were found`, {
        hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the attributes access_key_id and secret_access_key.",
      });
    const url = this.address.url(key, parameters);
    const length = body === undefined ? {} : { "content-length": String(body.length) };
    const at = new Date(Date.now() + this.#skew);
    const { region } = this.address.place;
    const input = { method, url, headers: { ...headers, ...length }, payload, keys, region, at };
    return { method, url, headers: signed({ ...input, service: "s3" }), body, keys: keys.accessKeyId };
  }

  #setClock(date: string | undefined): void {
    const server = date === undefined ? Number.NaN : Date.parse(date);
    if (!Number.isNaN(server)) this.#skew = server - Date.now();
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    this.#credentials[Symbol.dispose]();
  }
}
