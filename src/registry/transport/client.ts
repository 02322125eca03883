import { type VarveError, throwIfAborted } from "../../core/index.ts";
import { type OnWait, SingleFlight, collect } from "../../io/index.ts";
import { type Authorization, Authorizer, UNAUTHORIZED } from "../auth/authorizer.ts";
import type { CredentialSource } from "../auth/credentials.ts";
import { type Endpoint, triesOf } from "./endpoint.ts";
import { responseError } from "./errors.ts";
import {
  type Arrived,
  failureError,
  followRedirects,
  headerOf,
  HttpFailure,
  isTransientFailure,
  isTransientStatus,
  type NodeTransport,
  pause,
  pauseBefore,
  retryAfter,
  type RetryPolicy,
  type TransportRequest,
  type TransportResponse,
  type Tries,
  TryCount,
} from "../../http/index.ts";
import type { Scope } from "../auth/scope.ts";
import type { SendOk } from "../auth/token.ts";

/** The caller's signal, and its callback for waits. Work that requests share reports to the first of them. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onWait?: OnWait | undefined;
}

/** One request to a registry, in terms of the distribution specification. */
export interface ApiRequest extends Omit<TransportRequest, "headers" | "onQuiet">, RequestOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What a token must allow. */
  readonly scopes: readonly Scope[];
  /** Statuses that are accepted; all others are errors. */
  readonly accept: readonly number[];
  /** Completes "Cannot …" in an error. */
  readonly doing: string;
  /** Number of attempts. Default: the policy's. */
  readonly attempts?: number | undefined;
  /** Returns whether the request may succeed if it is sent again, although the status of the error is not transient. */
  readonly isTransient?: ((error: VarveError) => boolean) | undefined;
}

export type ReadResponse<T> = (response: TransportResponse) => Promise<T>;

export interface ClientOptions {
  readonly transport: NodeTransport;
  readonly credentials: CredentialSource;
  /** True if the configuration allows a host without TLS. */
  readonly isPlain: (host: string) => boolean;
  readonly retry: RetryPolicy;
  readonly userAgent: string;
}

type OnQuiet = TransportRequest["onQuiet"];
type Send = (onQuiet: OnQuiet) => Promise<TransportResponse>;
type Sent = Pick<ApiRequest, "accept" | "doing" | "signal" | "onWait" | "isTransient">;

type Outcome<T> =
  | { readonly kind: "read"; readonly value: T }
  | {
      readonly kind: "failed";
      readonly error: VarveError;
      readonly transient: boolean;
      readonly timedOut: boolean;
      readonly wait?: number | undefined;
    };

/** Returns a failure of the connection, which may mean another protocol; throws every other error. */
function failureOf(error: unknown): HttpFailure {
  if (error instanceof HttpFailure) return error;
  throw error;
}

/** Discards a response that is not used, because an unread response holds a connection. */
async function orDiscard<T>(response: TransportResponse, use: ReadResponse<T>): Promise<T> {
  try {
    return await use(response);
  } catch (error) {
    await response.discard();
    throw error;
  }
}

/** Failures that another scheme does not help. */
const HOPELESS: ReadonlySet<HttpFailure["kind"]> = new Set(["untrusted", "unresolved", "handshake"]);
const BAD_REQUEST = 400;
const MAX_LOGINS = 2;
/** Pauses of at least this many milliseconds are reported. */
const LONG_PAUSE = 5000;

/** Sends requests to registries: finds the scheme, logs in, follows redirects, retries, and makes errors. */
export class Client implements Disposable {
  readonly retry: RetryPolicy;
  readonly #options: ClientOptions;
  readonly #authorizer: Authorizer;
  readonly #schemes = new Map<string, "http" | "https">();
  readonly #probes = new SingleFlight<string, "http" | "https">();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.retry = options.retry;
    this.#authorizer = new Authorizer({
      credentials: options.credentials,
      isPlain: options.isPlain,
      send: (trustHost, onWait) => this.#tokenSender(trustHost, onWait),
    });
  }

  /** `path` is what follows `/v2/`, `query` without its question mark. */
  async urlOf(endpoint: Endpoint, path: string, query = "", asking: RequestOptions = {}): Promise<URL> {
    const scheme = await this.#schemeOf(endpoint, asking);
    const url = new URL(`${scheme}://${endpoint.host}${endpoint.prefix}/v2/${path}`);
    const namespace = endpoint.mirrorOf === undefined ? "" : `ns=${encodeURIComponent(endpoint.mirrorOf)}`;
    url.search = [query, namespace].filter((part) => part !== "").join("&");
    return url;
  }

  /** Sends a request and reads its response with `read`, which is part of each attempt. */
  async request<T>(endpoint: Endpoint, request: ApiRequest, read: ReadResponse<T>): Promise<T> {
    const usual = triesOf(this.retry, endpoint);
    const tries = { ...usual, ...(request.attempts === undefined ? {} : { attempts: request.attempts }) };
    return await this.#tries(
      request,
      tries,
      endpoint.name,
      (onQuiet) => this.#authorized(endpoint, request, onQuiet),
      read,
    );
  }

  [Symbol.dispose](): void {
    this.#authorizer[Symbol.dispose]();
    this.#options.transport[Symbol.dispose]();
  }

  async #tries<T>(request: Sent, tries: Tries, host: string, send: Send, read: ReadResponse<T>): Promise<T> {
    const count = new TryCount(tries);
    const { onWait, signal } = request;
    const onQuiet = onWait && ((ms: number) => onWait({ state: "quiet", host, ms, ...count.current }));
    for (;;) {
      const { attempt } = count.current;
      const outcome = await this.#try(request, { host, attempt }, () => send(onQuiet), read);
      if (outcome.kind === "read") return outcome.value;
      const ms = Math.max(outcome.wait ?? 0, pauseBefore(this.retry, attempt));
      if (!outcome.transient || ms > this.retry.patience || !count.next(outcome)) throw outcome.error;
      if (ms >= LONG_PAUSE) onWait?.({ state: "pause", host, ms, ...count.current });
      await pause(ms, signal);
    }
  }

  async #try<T>(
    { accept, doing, signal, isTransient }: Sent,
    at: { readonly host: string; readonly attempt: number },
    send: () => Promise<TransportResponse>,
    read: ReadResponse<T>,
  ): Promise<Outcome<T>> {
    try {
      const response = await send();
      if (accept.includes(response.status)) return { kind: "read", value: await orDiscard(response, read) };
      const wait = retryAfter(headerOf(response.headers, "retry-after"));
      const error = await responseError(response, doing, at);
      const transient = isTransientStatus(response.status) || isTransient?.(error) === true;
      return { kind: "failed", error, transient, timedOut: false, wait };
    } catch (error) {
      throwIfAborted(signal, doing);
      if (!(error instanceof HttpFailure)) throw error;
      const timedOut = error.kind === "timeout";
      return { kind: "failed", error: failureError(error, doing, at), transient: isTransientFailure(error), timedOut };
    }
  }

  /** Logs in after a 401 response, at most twice: once for the challenge, once for an expired token. */
  async #authorized(endpoint: Endpoint, request: ApiRequest, onQuiet: OnQuiet): Promise<TransportResponse> {
    let scopes = request.scopes;
    for (let login = 0; ; login += 1) {
      const options = { scopes, signal: request.signal, onWait: request.onWait };
      const authorization = this.#isOwn(endpoint, request.url)
        ? await this.#authorizer.authorize(endpoint, request.url, options)
        : UNAUTHORIZED;
      const { response, url } = await this.#redirected(endpoint, { ...request, onQuiet }, authorization);
      const challenges = response.headers.get("www-authenticate");
      const mayAnswer = response.status === 401 && login < MAX_LOGINS && this.#isOwn(endpoint, url);
      if (!mayAnswer || challenges === undefined) return response;
      const better = await orDiscard(response, () =>
        this.#authorizer.challenged(endpoint, challenges, authorization, options),
      );
      if (better === undefined) return response;
      await response.discard();
      scopes = better;
    }
  }

  #redirected(
    endpoint: Endpoint,
    request: ApiRequest & { onQuiet: OnQuiet },
    { header }: Authorization,
  ): Promise<Arrived> {
    const { method, url, body, signal, doing, onQuiet } = request;
    const headers = {
      "user-agent": this.#options.userAgent,
      "accept-encoding": "identity",
      ...request.headers,
      ...(body === undefined ? {} : { "content-length": String(body.length) }),
      ...(method === "POST" && body === undefined ? { "content-length": "0" } : {}),
    };
    return followRedirects({ method, url, headers, body, signal, onQuiet }, doing, (each) => {
      const own = this.#isOwn(endpoint, each.url);
      const authorized = own && header !== undefined ? { ...each.headers, authorization: header } : each.headers;
      return this.#options.transport.send({ ...each, headers: authorized }, own ? endpoint.name : each.url.host);
    });
  }

  /** True if the URL is of the endpoint itself: credentials and certificates are used there only. */
  #isOwn(endpoint: Endpoint, url: URL): boolean {
    const scheme = this.#schemes.get(endpoint.host);
    return url.protocol === `${scheme}:` && url.host === new URL(`${scheme}://${endpoint.host}`).host;
  }

  #tokenSender(trustHost: string, onWait: OnWait | undefined): SendOk {
    return async (request, limit) => {
      const { host } = request.url;
      const doing = `get a token from ${host}`;
      const { body } = request;
      const headers = {
        "user-agent": this.#options.userAgent,
        "accept-encoding": "identity",
        ...request.headers,
        ...(body === undefined ? {} : { "content-length": String(body.length) }),
      };
      const send: Send = (onQuiet) => this.#options.transport.send({ ...request, headers, onQuiet }, trustHost);
      return await this.#tries(
        { accept: [200], doing, signal: request.signal, onWait },
        this.retry,
        host,
        send,
        (response) => collect(response.body, limit, { what: `the token of ${host}` }),
      );
    };
  }

  async #schemeOf(endpoint: Endpoint, { signal, onWait }: RequestOptions): Promise<"http" | "https"> {
    if (endpoint.scheme === "http" || endpoint.scheme === "https") {
      this.#schemes.set(endpoint.host, endpoint.scheme);
      return endpoint.scheme;
    }
    const known = this.#schemes.get(endpoint.host);
    if (known !== undefined) return known;
    const found = await this.#probes.run(
      endpoint.host,
      (shared) => this.#probe(endpoint, { signal: shared, onWait }),
      signal,
    );
    this.#schemes.set(endpoint.host, found);
    return found;
  }

  /**
   * Finds the scheme. Any response over TLS means TLS. An untrusted certificate is an error, not a reason to try plain HTTP. A server that
   * times out with both schemes is not asked again.
   */
  async #probe(endpoint: Endpoint, asking: RequestOptions): Promise<"http" | "https"> {
    // A TLS server answers plain HTTP with this status, or not at all.
    const isPlain = async (): Promise<boolean> => (await this.#ask(endpoint, "http", asking)) !== BAD_REQUEST;
    const plainFirst = endpoint.scheme === "http-then-https";
    const plain = plainFirst ? await isPlain().catch(failureOf) : false;
    if (plain === true) return "http";
    try {
      await this.#ask(endpoint, "https", asking);
      return "https";
    } catch (error) {
      throwIfAborted(asking.signal, `reach registry ${endpoint.name}`);
      const failure = failureOf(error);
      const at = { host: endpoint.name, attempt: 2 };
      if (HOPELESS.has(failure.kind)) throw failureError(failure, `reach registry ${endpoint.name}`, at);
      if (failure.kind !== "timeout") return "http";
      const other = plainFirst ? plain : await isPlain().catch(failureOf);
      if (other instanceof HttpFailure && other.kind === "timeout")
        throw failureError(other, `reach registry ${endpoint.name}`, at);
      return "http";
    }
  }

  /** Returns the status of a server's response. */
  async #ask(
    { host, name, prefix }: Endpoint,
    scheme: "http" | "https",
    { signal, onWait }: RequestOptions,
  ): Promise<number> {
    const attempt = { attempt: 1, attempts: 1 };
    const onQuiet = onWait && ((ms: number) => onWait({ state: "quiet", host: name, ms, ...attempt }));
    const url = new URL(`${scheme}://${host}${prefix}/v2/`);
    const headers = { "user-agent": this.#options.userAgent };
    const response = await this.#options.transport.send({ method: "GET", url, headers, signal, onQuiet }, name);
    await response.discard();
    return response.status;
  }
}
