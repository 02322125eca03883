import { type VarveError, throwIfAborted } from "../core/index.ts";
import { SingleFlight, collect } from "../io/index.ts";
import { type Authorization, Authorizer, UNAUTHORIZED } from "./authorizer.ts";
import type { CredentialSource } from "./credentials.ts";
import type { Endpoint } from "./endpoint.ts";
import { failureError, responseError } from "./errors.ts";
import { HttpFailure, type HttpRequest, type HttpResponse, headerOf } from "./http.ts";
import type { NodeTransport } from "./node-transport.ts";
import { type Arrived, followRedirects } from "./redirect.ts";
import { type RetryPolicy, isTransientFailure, isTransientStatus, pause, pauseBefore, retryAfter } from "./retry.ts";
import type { Scope } from "./scope.ts";
import { type SendOk } from "./token.ts";

/** One request to a registry, in the words of the distribution specification. */
export interface ApiRequest extends Omit<HttpRequest, "headers"> {
  readonly headers?: Readonly<Record<string, string>>;
  /** What a token must allow. */
  readonly scopes: readonly Scope[];
  /** The statuses that are answers; every other is an error. */
  readonly accept: readonly number[];
  /** Completes "Cannot …" in an error. */
  readonly doing: string;
  /** Tries in all; the policy's number unless given. */
  readonly attempts?: number;
  /** Told before each further try. */
  readonly onRetry?: () => void;
}

export type ReadResponse<T> = (response: HttpResponse) => Promise<T>;

export interface ClientOptions {
  readonly transport: NodeTransport;
  readonly credentials: CredentialSource;
  /** Whether the configuration lets a host be reached without TLS. */
  readonly isPlain: (host: string) => boolean;
  readonly retry: RetryPolicy;
  readonly userAgent: string;
}

type Outcome<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "failed"; readonly error: VarveError; readonly transient: boolean; readonly wait?: number };

/** False for a failure of the connection, which says that the other side speaks something else. */
function ignoreFailure(error: unknown): false {
  if (error instanceof HttpFailure) return false;
  throw error;
}

/** An unread response holds a connection: one that cannot be used is given back. */
async function orDiscard<T>(response: HttpResponse, use: ReadResponse<T>): Promise<T> {
  try {
    return await use(response);
  } catch (error) {
    await response.discard();
    throw error;
  }
}

const BAD_REQUEST = 400;
const MAX_LOGINS = 2;
const MIRROR_ATTEMPTS = 2;

/** Sends requests to registries: finds the scheme, logs in, follows redirects, tries again, and names what went wrong. */
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
      send: (trustHost) => this.#tokenSender(trustHost),
    });
  }

  /** `path` is what follows `/v2/`, `query` without its question mark. */
  async urlOf(endpoint: Endpoint, path: string, query = "", signal?: AbortSignal): Promise<URL> {
    const scheme = await this.#schemeOf(endpoint, signal);
    const url = new URL(`${scheme}://${endpoint.host}${endpoint.prefix}/v2/${path}`);
    const namespace = endpoint.mirrorOf === undefined ? "" : `ns=${encodeURIComponent(endpoint.mirrorOf)}`;
    url.search = [query, namespace].filter((part) => part !== "").join("&");
    return url;
  }

  /** Sends a request and reads its answer by `read`, which is part of each try. */
  async request<T>(endpoint: Endpoint, request: ApiRequest, read: ReadResponse<T>): Promise<T> {
    const most = request.attempts ?? (endpoint.mirrorOf === undefined ? this.retry.attempts : MIRROR_ATTEMPTS);
    return await this.#tries(request, most, endpoint.name, () => this.#authorized(endpoint, request), read);
  }

  [Symbol.dispose](): void {
    this.#authorizer[Symbol.dispose]();
    this.#options.transport[Symbol.dispose]();
  }

  async #tries<T>(
    request: Pick<ApiRequest, "accept" | "doing" | "signal" | "onRetry">,
    most: number,
    host: string,
    send: () => Promise<HttpResponse>,
    read: ReadResponse<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#try(request, host, send, read);
      if (outcome.kind === "read") return outcome.value;
      const wait = Math.max(outcome.wait ?? 0, pauseBefore(this.retry, attempt));
      if (!outcome.transient || attempt >= most || wait > this.retry.patience) throw outcome.error;
      request.onRetry?.();
      await pause(wait, request.signal);
    }
  }

  async #try<T>(
    { accept, doing, signal }: Pick<ApiRequest, "accept" | "doing" | "signal">,
    host: string,
    send: () => Promise<HttpResponse>,
    read: ReadResponse<T>,
  ): Promise<Outcome<T>> {
    try {
      const response = await send();
      if (accept.includes(response.status)) return { kind: "read", value: await orDiscard(response, read) };
      const wait = retryAfter(headerOf(response.headers, "retry-after"));
      const error = await responseError(response, doing, host);
      const transient = isTransientStatus(response.status);
      return { kind: "failed", error, transient, ...(wait === undefined ? {} : { wait }) };
    } catch (error) {
      throwIfAborted(signal, doing);
      if (!(error instanceof HttpFailure)) throw error;
      return { kind: "failed", error: failureError(error, doing, host), transient: isTransientFailure(error) };
    }
  }

  /** Answers 401 with what the registry asks for, twice at most: once to learn, once for a token that had gone stale. */
  async #authorized(endpoint: Endpoint, request: ApiRequest): Promise<HttpResponse> {
    let scopes = request.scopes;
    for (let login = 0; ; login += 1) {
      const options = { scopes, signal: request.signal };
      const authorization = this.#isOwn(endpoint, request.url)
        ? await this.#authorizer.authorize(endpoint, request.url, options)
        : UNAUTHORIZED;
      const { response, url } = await this.#redirected(endpoint, request, authorization);
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

  #redirected(endpoint: Endpoint, request: ApiRequest, { header }: Authorization): Promise<Arrived> {
    const { method, url, body, signal, doing } = request;
    const headers = {
      "user-agent": this.#options.userAgent,
      "accept-encoding": "identity",
      ...request.headers,
      ...(body === undefined ? {} : { "content-length": String(body.length) }),
      ...(method === "POST" && body === undefined ? { "content-length": "0" } : {}),
    };
    return followRedirects({ method, url, headers, body, signal }, doing, (each) => {
      const own = this.#isOwn(endpoint, each.url);
      const authorized = own && header !== undefined ? { ...each.headers, authorization: header } : each.headers;
      return this.#options.transport.send({ ...each, headers: authorized }, own ? endpoint.name : each.url.host);
    });
  }

  /** True if the URL is of the endpoint itself: only there do its credentials and certificates belong. */
  #isOwn(endpoint: Endpoint, url: URL): boolean {
    const scheme = this.#schemes.get(endpoint.host);
    return url.protocol === `${scheme}:` && url.host === new URL(`${scheme}://${endpoint.host}`).host;
  }

  #tokenSender(trustHost: string): SendOk {
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
      const send = (): Promise<HttpResponse> => this.#options.transport.send({ ...request, headers }, trustHost);
      return await this.#tries(
        { accept: [200], doing, signal: request.signal },
        this.retry.attempts,
        host,
        send,
        (response) => collect(response.body, limit, { what: `the token of ${host}` }),
      );
    };
  }

  async #schemeOf(endpoint: Endpoint, signal: AbortSignal | undefined): Promise<"http" | "https"> {
    if (endpoint.scheme === "http" || endpoint.scheme === "https") {
      this.#schemes.set(endpoint.host, endpoint.scheme);
      return endpoint.scheme;
    }
    const known = this.#schemes.get(endpoint.host);
    if (known !== undefined) return known;
    const found = await this.#probes.run(endpoint.host, (shared) => this.#probe(endpoint, shared), signal);
    this.#schemes.set(endpoint.host, found);
    return found;
  }

  /** Any answer over TLS means TLS. A certificate that is not trusted is an error, not a reason to do without. */
  async #probe(endpoint: Endpoint, signal: AbortSignal): Promise<"http" | "https"> {
    // A server that wants TLS answers plain HTTP with this status, or not at all.
    const isPlain = async (): Promise<boolean> => (await this.#ask(endpoint, "http", signal)) !== BAD_REQUEST;
    if (endpoint.scheme === "http-then-https" && (await isPlain().catch(ignoreFailure))) return "http";
    try {
      await this.#ask(endpoint, "https", signal);
      return "https";
    } catch (error) {
      throwIfAborted(signal, `reach registry ${endpoint.name}`);
      if (!(error instanceof HttpFailure)) throw error;
      const hopeless = error.kind === "untrusted" || error.kind === "unresolved" || error.kind === "handshake";
      if (hopeless) throw failureError(error, `reach registry ${endpoint.name}`, endpoint.name);
      return "http";
    }
  }

  /** The status that a server answers with. */
  async #ask({ host, name, prefix }: Endpoint, scheme: "http" | "https", signal: AbortSignal): Promise<number> {
    const url = new URL(`${scheme}://${host}${prefix}/v2/`);
    const headers = { "user-agent": this.#options.userAgent };
    const response = await this.#options.transport.send({ method: "GET", url, headers, signal }, name);
    await response.discard();
    return response.status;
  }
}
