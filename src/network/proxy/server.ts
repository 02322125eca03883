import {
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
  createServer,
  request,
} from "node:http";
import { request as requestTls } from "node:https";
import { isIP } from "node:net";
import { type Duplex, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TLSSocket, connect as connectTls, createSecureContext } from "node:tls";
import { DigestHasher, VarveError, messageOf, redact } from "../../core/index.ts";
import { type Authority, certificateFor } from "./certificate.ts";
import type { IncompleteRequest, ProxyCapture } from "./capture.ts";
import type { Egress } from "./egress.ts";

/** Connections of one step at once. */
const MAX_CONNECTIONS = 256;
/** Milliseconds for the head of a request. */
const HEAD_PATIENCE = 30_000;
/** Headers that concern one connection: RFC 9110, section 7.6.1. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Returns the URL that is requested in place of another one. Rejects if a policy denies it. */
export type JudgeUrl = (url: string) => Promise<string>;

export interface ProxyParts {
  readonly authority: Authority;
  readonly egress: Egress;
  readonly judge?: JudgeUrl | undefined;
  readonly capture: ProxyCapture;
}

/**
 * A proxy of one step, for HTTP and for HTTPS with certificates of the authority. It records all requests. The caller makes `server` listen,
 * and disposes of the proxy.
 */
export class StepProxy implements AsyncDisposable {
  readonly server: Server;
  readonly #parts: ProxyParts;
  readonly #stop = new AbortController();
  readonly #sockets = new Set<Duplex>();
  readonly #answers = new Set<Promise<void>>();
  /** What clients send through tunnels. It listens nowhere. */
  readonly #tunnelled: Server;
  readonly #hosts = new WeakMap<Duplex, string>();

  constructor(parts: ProxyParts) {
    this.#parts = parts;
    this.server = this.#serve((message, response) => this.#answer(message.url ?? "", message, response));
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on("connect", (message: IncomingMessage, socket: Duplex) => this.#tunnel(message, socket));
    this.#tunnelled = this.#serve((message, response) => {
      const host = this.#hosts.get(message.socket) ?? "";
      return this.#answer(`https://${host}${message.url ?? ""}`, message, response);
    });
  }

  #serve(answer: (message: IncomingMessage, response: ServerResponse) => Promise<void>): Server {
    const server = createServer({ headersTimeout: HEAD_PATIENCE, requestTimeout: 0 }, (message, response) => {
      const answered = answer(message, response).catch(() => void response.destroy());
      this.#answers.add(answered);
      void answered.then(() => this.#answers.delete(answered));
    });
    // Clients such as busybox's end their side with the request. Node's documentation lacks this setting.
    Object.assign(server, { httpAllowHalfOpen: true });
    server.on("connection", (socket) => this.#track(socket));
    server.on("clientError", (_error, socket) => socket.destroy());
    return server;
  }

  #track(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  }

  #tunnel({ url = "" }: IncomingMessage, socket: Duplex): void {
    try {
      const { hostname } = new URL(`https://${url}`);
      const { certificate: cert, key } = certificateFor(hostname.replace(/^\[(.*)\]$/, "$1"), this.#parts.authority);
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      const secureContext = createSecureContext({ cert, key });
      const secure = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ["http/1.1"] });
      this.#hosts.set(secure, url);
      this.#tunnelled.emit("connection", secure);
    } catch {
      socket.destroy();
    }
  }

  async #answer(text: string, message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = targetOf(text, message);
    const method = message.method ?? "GET";
    const target = url === undefined ? undefined : await this.#judged(url, method);
    if (target === undefined)
      return refuse(response, url === undefined ? 400 : 403, url === undefined ? "Bad Request" : "Forbidden");
    const shown = shownUrl(target);
    const { capture } = this.#parts;
    const incomplete = (reason: IncompleteRequest["reason"]): void =>
      capture.addIncomplete({ method, url: shown, reason });
    let answer: IncomingMessage;
    try {
      answer = await this.#forward(target, method, message);
    } catch (error) {
      capture.addRequest({ method, url: shown, status: 502 });
      incomplete("upstream_error");
      return refuse(response, 502, messageOf(error));
    }
    const status = answer.statusCode ?? 502;
    capture.addRequest({ method, url: shown, status, redirect: redirectOf(target, answer) });
    response.writeHead(status, answer.statusMessage, passedOn(answer.rawHeaders));
    const hasher = new DigestHasher();
    const hashing = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        hasher.update(chunk);
        done(undefined, chunk);
      },
    });
    try {
      await pipeline(answer, hashing, response);
    } catch {
      return incomplete("body_read_failed");
    }
    const reason = incompleteReason(method, message, status);
    if (reason !== undefined) incomplete(reason);
    else if (status >= 200 && status < 300) capture.addMaterial({ url: shown, digest: hasher.digest() });
  }

  /** Returns the URL to request; undefined if it is not allowed. */
  async #judged(url: URL, method: string): Promise<URL | undefined> {
    const { judge } = this.#parts;
    if (judge === undefined) return url;
    const asked = redact(url.href);
    try {
      const answer = await judge(asked);
      if (answer === asked) return url;
      const target = new URL(answer);
      return method === "GET" && isWeb(target) ? target : undefined;
    } catch {
      return undefined;
    }
  }

  async #forward(target: URL, method: string, message: IncomingMessage): Promise<IncomingMessage> {
    const { egress } = this.#parts;
    const { signal } = this.#stop;
    const isSecure = target.protocol === "https:";
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    const plain = await egress(host, Number(target.port) || (isSecure ? 443 : 80), signal);
    this.#track(plain);
    const headers = { ...passedOn(message.rawHeaders), host: target.host };
    delete headers["accept-encoding"];
    const options = { method, headers, signal, agent: false, setDefaultHeaders: false } as const;
    const servername = isIP(host) === 0 ? host : "";
    const outgoing = isSecure
      ? requestTls(target, { ...options, createConnection: () => connectTls({ socket: plain, servername, host }) })
      : request(target, { ...options, createConnection: () => plain });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
    // Without an answer, a client that is gone ends the request.
    pipeline(message, outgoing).catch(reject);
    return await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new VarveError("cancelled", "the step has ended"));
    for (const socket of this.#sockets) socket.destroy();
    const closed = Promise.withResolvers<void>();
    this.server.close(() => closed.resolve());
    this.server.closeAllConnections();
    await closed.promise;
    // What they record is complete then.
    await Promise.all(this.#answers);
  }
}

/** Returns the absolute URL of a request; undefined if it names none. */
function targetOf(text: string, { headers }: IncomingMessage): URL | undefined {
  const absolute = text.startsWith("/") ? `http://${headers.host ?? ""}${text}` : text;
  if (!URL.canParse(absolute)) return undefined;
  const url = new URL(absolute);
  return isWeb(url) ? url : undefined;
}

function isWeb({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}

/** Returns a URL as it is recorded: without credentials and without the port of its scheme. */
function shownUrl({ href }: URL): string {
  return redact(href);
}

function redirectOf(target: URL, { headers: { location } }: IncomingMessage): string | undefined {
  if (location === undefined || location === "") return undefined;
  return URL.canParse(location, target) ? shownUrl(new URL(location, target)) : undefined;
}

/** Returns headers without those of the connection that they came on. */
function passedOn(raw: readonly string[]): OutgoingHttpHeaders {
  const headers = new Map<string, string[]>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = "", value = ""] = [raw[at]?.toLowerCase(), raw[at + 1]];
    if (!CONNECTION_HEADERS.has(name)) headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  return Object.fromEntries(Array.from(headers, ([name, values]) => [name, values.length === 1 ? values[0] : values]));
}

function incompleteReason(
  method: string,
  { headers }: IncomingMessage,
  status: number,
): IncompleteRequest["reason"] | undefined {
  if (method !== "GET") return "method_not_materializable";
  if (headers.range !== undefined || status === 206) return "partial_response";
  return status >= 400 ? "unsuccessful_response" : undefined;
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain", connection: "close" }).end(`${text}\n`);
}
