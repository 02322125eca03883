import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, createServer, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addressOf, npmPeer } from "./npm-peer.ts";
import { signatureFault } from "./s3-signature.ts";

/** The account of the server. s3rver accepts no other key, and does not check the signature. */
export const S3_KEYS = { id: "S3RVER", secret: "S3RVER" } as const;
const PEER = ["s3rver", "3.7.1"] as const;

export interface S3ServerOptions {
  /**
   * What the server does with conditions of writes, which s3rver ignores: `enforced`, as S3 does; `ignored`; or `refused` with
   * status 501. Default: `enforced`.
   */
  readonly conditions?: "enforced" | "ignored" | "refused";
  /** The session token that requests must have, if any. */
  readonly sessionToken?: string;
}

/** A request that was let through. */
export interface S3Seen {
  readonly method: string;
  /** Decoded, without the query: `/bucket/key`. */
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage["headers"];
  readonly status: number;
}

export interface S3Server extends AsyncDisposable {
  readonly url: string;
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  readonly bucket: string;
  readonly requests: S3Seen[];
}

/** Why the server cannot be started here; undefined if it can. */
export function s3Missing(): string | undefined {
  return npmPeer(...PEER) === undefined ? "s3rver cannot be installed from npm's registry here" : undefined;
}

/** Starts s3rver over an empty directory, with a bucket `bk`, behind a server that checks what s3rver does not. */
export async function startS3(options: S3ServerOptions = {}): Promise<S3Server> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "varve-s3-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const program = join(npmPeer(...PEER) ?? "", "node_modules/s3rver/bin/s3rver.js");
  const child = spawn(
    process.execPath,
    [program, "-d", directory, "-a", "127.0.0.1", "-p", "0", "--configure-bucket", "bk"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  stack.defer(async () => {
    process.off("exit", kill);
    const ended = once(child, "exit");
    if (child.exitCode === null && child.kill("SIGKILL")) await ended;
  });
  const upstream = `127.0.0.1:${await addressOf("s3rver", child, /listening on [^ ]*:(\d+)/)}`;
  const checker = new Checker(upstream, directory, options);
  const server = createServer((request, response) => {
    checker.answer(request, response).catch(() => response.socket?.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const owned = stack.move();
  return {
    url: `http://${host}`,
    host,
    bucket: "bk",
    requests: checker.requests,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

class Checker {
  readonly requests: S3Seen[] = [];
  readonly #upstream: string;
  readonly #directory: string;
  readonly #options: S3ServerOptions;
  /** The last request of each path. s3rver writes objects in place, and S3 does not: so one follows the other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(upstream: string, directory: string, options: S3ServerOptions) {
    this.#upstream = upstream;
    this.#directory = directory;
    this.#options = options;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const answer = this.#refusal(request, body) ?? (await this.#inTurn(request, body));
    const { method = "", url = "", headers } = request;
    const [path = "", query = ""] = url.split("?");
    this.requests.push({ method, path: decodeURIComponent(path), query, headers, status: answer.status });
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body);
  }

  #refusal({ method = "", url = "", headers }: IncomingMessage, body: Buffer): Answer | undefined {
    const fault = signatureFault({ method, url, headers, body }, S3_KEYS);
    if (fault !== undefined) return error(403, "SignatureDoesNotMatch", fault);
    const { sessionToken } = this.#options;
    if (sessionToken !== undefined && headers["x-amz-security-token"] !== sessionToken)
      return error(403, "InvalidToken", "The provided token is malformed or otherwise invalid.");
    if (method !== "PUT" && method !== "POST") return undefined;
    const forbidden = Object.keys(headers).find((name) => /^x-amz-(?:sdk-)?checksum|^x-amz-trailer$/.test(name));
    if (forbidden !== undefined || /aws-chunked/.test(headers["content-encoding"] ?? ""))
      return error(400, "InvalidRequest", `unsupported header ${forbidden ?? "content-encoding"}`);
    return undefined;
  }

  async #inTurn(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const [path = ""] = (request.url ?? "").split("?");
    const turn = (this.#turns.get(path) ?? Promise.resolve()).then(() => this.#answerTo(request, path, body));
    this.#turns.set(
      path,
      turn.catch(() => undefined),
    );
    return await turn;
  }

  async #answerTo(request: IncomingMessage, path: string, body: Buffer): Promise<Answer> {
    const { "if-match": match, "if-none-match": none } = request.headers;
    const { conditions = "enforced" } = this.#options;
    const isConditional = (match ?? none) !== undefined && request.method !== "GET";
    if (!isConditional || conditions === "ignored") return await this.#forward(request, body);
    if (conditions === "refused") return error(501, "NotImplemented", "A header you provided implies functionality");
    const now = await this.#send("HEAD", path, {}, Buffer.alloc(0));
    const holds = none === undefined ? now.status === 200 && now.headers.etag === match : now.status === 404;
    if (holds) return await this.#forward(request, body);
    if (none === undefined && now.status === 404) return error(404, "NoSuchKey", "The specified key does not exist.");
    return error(412, "PreconditionFailed", "At least one condition failed");
  }

  async #forward({ method = "", url = "", headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const answer = await this.#send(method, url, headers, body);
    const isObject = method === "PUT" && !url.includes("?") && headers["x-amz-copy-source"] === undefined;
    if (isObject && answer.status === 200) await this.#written(url, body.length);
    return answer;
  }

  /** s3rver answers before the file of an object has all its content. Waits until it has. */
  async #written(url: string, size: number): Promise<void> {
    const file = join(this.#directory, `${decodeURIComponent(url)}._S3rver_object`);
    for (let attempt = 0; attempt < 5000; attempt += 1) {
      if (statSync(file, { throwIfNoEntry: false })?.size === size) return;
      await sleep(1);
    }
    throw new Error(`s3rver does not write ${file}`);
  }

  async #send(method: string, path: string, headers: IncomingMessage["headers"], body: Buffer): Promise<Answer> {
    const { authorization: _signed, "x-amz-security-token": _token, "x-amz-content-sha256": _hash, ...rest } = headers;
    const outgoing = sendRequest(`http://${this.#upstream}${path}`, {
      method,
      headers: { ...rest, host: this.#upstream },
      agent: false,
    });
    // s3rver sends the content of an object after the head of an answer to HEAD, at times.
    outgoing.on("error", () => undefined);
    outgoing.end(body);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    return { status: incoming.statusCode ?? 502, headers: incoming.headers, body: await bodyOf(incoming) };
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function error(status: number, code: string, message: string): Answer {
  const body = Buffer.from(`<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
  return { status, headers: { "content-type": "application/xml", date: new Date().toUTCString() }, body };
}
