import type * as Http from "node:http";
import type * as Https from "node:https";
import { VarveError, errnoOf, throwIfAborted } from "../core/index.ts";
import { Semaphore } from "../io/index.ts";
import { toHttpFailure } from "./connection-failure.ts";
import { exchange } from "./exchange.ts";
import type { TransportRequest, TransportResponse } from "./message.ts";
import type { ProxyFor } from "./proxy.ts";
import type { TlsTrust } from "./tls-trust.ts";

/**
 * Milliseconds. `idle` bounds each wait for data, not the whole transfer; requests that write wait twice as long, because the server may
 * copy and hash gigabytes. Silence is reported after `notice`.
 */
export interface Timeouts {
  readonly connect: number;
  readonly idle: number;
  readonly notice: number;
}

const READS: ReadonlySet<TransportRequest["method"]> = new Set(["GET", "HEAD"]);

export interface NodeTransportOptions {
  readonly trust: TlsTrust;
  readonly proxy: ProxyFor;
  readonly timeouts: Timeouts;
  /** Maximum number of concurrent requests. */
  readonly sockets: number;
}

/*
 * Uses `require`: importing `node:http` as an ES module evaluates all its exports, and one of them loads a second HTTP client.
 * `node:https` loads TLS, which plain HTTP does not need.
 */
const http = (): typeof Http => process.getBuiltinModule("node:http");
const https = (): typeof Https => process.getBuiltinModule("node:https");

const UNKNOWN_AUTHORITY = new Set([
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "SELF_SIGNED_CERT_IN_CHAIN",
]);

/** HTTP/1.1 over `node:http` and `node:https` with kept connections: the only file that uses Node's streams. */
export class NodeTransport implements Disposable {
  readonly #options: NodeTransportOptions;
  readonly #slots: Semaphore;
  /** By scheme and proxy. */
  readonly #agents = new Map<string, Http.Agent>();

  constructor(options: NodeTransportOptions) {
    this.#options = options;
    this.#slots = new Semaphore(options.sockets);
  }

  /** @param trustHost - The host whose certificates apply, if not the URL's. */
  async send(request: TransportRequest, trustHost: string = request.url.host): Promise<TransportResponse> {
    const slot = await this.#slots.acquire(request.signal);
    try {
      return await this.#attempt(request, trustHost, slot);
    } catch (error) {
      const failure = this.#translate(error, request);
      if (!UNKNOWN_AUTHORITY.has(errnoOf(failure.cause) ?? "") || !this.#options.trust.widen()) {
        slot[Symbol.dispose]();
        throw failure;
      }
    }
    try {
      return await this.#attempt(request, trustHost, slot);
    } catch (error) {
      slot[Symbol.dispose]();
      throw this.#translate(error, request);
    }
  }

  /** Closes the idle connections. */
  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  async #attempt(request: TransportRequest, trustHost: string, slot: Disposable): Promise<TransportResponse> {
    throwIfAborted(request.signal, "reach the server");
    const { url, method, headers } = request;
    const agent = this.#agentFor(url);
    const client =
      url.protocol === "https:"
        ? https().request(url, { method, headers, agent, ...(await this.#options.trust.optionsOf(trustHost)) })
        : http().request(url, { method, headers, agent });
    const { idle, ...timeouts } = this.#options.timeouts;
    return await exchange(client, request, {
      ...timeouts,
      idle: READS.has(method) ? idle : 2 * idle,
      onEnd: () => slot[Symbol.dispose](),
    });
  }

  #translate(error: unknown, request: TransportRequest): Error {
    if (error instanceof VarveError) return error;
    throwIfAborted(request.signal, "reach the server");
    return toHttpFailure(error);
  }

  #agentFor(url: URL): Http.Agent {
    const secure = url.protocol === "https:";
    const proxy = this.#options.proxy(url);
    const key = `${url.protocol} ${proxy ?? "direct"}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const { sockets } = this.#options;
    const options = { keepAlive: true, maxSockets: sockets, maxFreeSockets: 8, scheduling: "lifo" as const };
    const agent = secure
      ? new (https().Agent)({ ...options, ...(proxy !== undefined && { proxyEnv: { HTTPS_PROXY: proxy } }) })
      : new (http().Agent)({ ...options, ...(proxy !== undefined && { proxyEnv: { HTTP_PROXY: proxy } }) });
    this.#agents.set(key, agent);
    return agent;
  }
}
