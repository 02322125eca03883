import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer, request as sendRequest } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/**
 * What is done to one exchange. `after` counts bytes of the body of the response, or of the request for `reset-upload`.
 * - `status`: answered by the proxy itself; the registry never sees the request.
 * - `reset`: the connection is cut, before the answer or after so many bytes of its body.
 * - `stall`: as `reset`, but the connection stays and nothing comes any more.
 * - `hold`: after so many bytes of the body, the rest waits for `until`.
 * - `truncate`: the body ends early and cleanly, with no length that would tell.
 * - `corrupt`: one bit of the body's first byte is turned.
 * - `garbage`: what comes is not HTTP.
 * - `headers`: header fields are set, or removed where null.
 * - `reset-upload`: the registry gets so many bytes of the body, then both connections are cut.
 */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  | { readonly kind: "reset"; readonly after?: number }
  | { readonly kind: "stall"; readonly after?: number }
  | { readonly kind: "hold"; readonly after: number; readonly until: () => Promise<unknown> }
  | { readonly kind: "truncate"; readonly after: number }
  | { readonly kind: "corrupt" }
  | { readonly kind: "garbage" }
  | { readonly kind: "headers"; readonly set: Record<string, string | null> }
  | { readonly kind: "reset-upload"; readonly after: number };

/** A request as it came to the proxy. `number` counts from 1. */
export interface SeenRequest {
  readonly number: number;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

export interface FaultProxyOptions {
  /** `host:port` of a server that speaks plain HTTP; without one, every request must be answered by a `status`. */
  readonly upstream?: string;
  /** Chooses the fault of a request; undefined lets it through. */
  readonly fault?: (request: SeenRequest) => Fault | undefined;
}

export interface FaultProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  readonly requests: readonly SeenRequest[];
  /** Bytes from clients and to them so far, heads and bodies. */
  readonly bytes: { readonly up: number; readonly down: number };
  /** Replaces the choice of faults. */
  fault: (request: SeenRequest) => Fault | undefined;
}

type Mangle = (response: ServerResponse, answer: IncomingMessage) => Promise<void>;

/** Without a reset: `resetAndDestroy` on a connection that is being shut down leaves a handle that Node waits for for ever. */
function cut(response: ServerResponse): void {
  response.socket?.destroy();
}

/** Passes on so many bytes of the body, then does something else. */
async function partly(response: ServerResponse, answer: IncomingMessage, after: number): Promise<void> {
  let left = after;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.byteLength;
    if (part.byteLength > 0) await new Promise<void>((resolve) => response.write(part, () => resolve()));
    if (left <= 0) break;
  }
}

async function pass(response: ServerResponse, answer: IncomingMessage): Promise<void> {
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  for await (const chunk of answer as AsyncIterable<Buffer>) response.write(chunk);
  response.end();
}

function mangleOf(fault: Fault | undefined): Mangle {
  if (fault === undefined) return pass;
  switch (fault.kind) {
    case "status":
    case "reset-upload":
    case "garbage":
      return pass;
    case "reset":
      return async (response, answer) => {
        if (fault.after !== undefined) {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          await partly(response, answer, fault.after);
        }
        cut(response);
      };
    case "stall":
      return async (response, answer) => {
        if (fault.after === undefined) return;
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.flushHeaders();
        await partly(response, answer, fault.after);
      };
    case "hold":
      return async (response, answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        let left = fault.after;
        for await (const chunk of answer as AsyncIterable<Buffer>) {
          const head = chunk.subarray(0, left);
          left -= head.byteLength;
          if (head.byteLength > 0) response.write(head);
          if (left === 0) await fault.until();
          if (head.byteLength < chunk.byteLength) response.write(chunk.subarray(head.byteLength));
        }
        response.end();
      };
    case "truncate":
      return async (response, answer) => {
        const { "content-length": _length, ...headers } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, headers);
        await partly(response, answer, fault.after);
        response.end();
      };
    case "corrupt":
      return async (response, answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        let first = true;
        for await (const chunk of answer as AsyncIterable<Buffer>) {
          if (first && chunk.byteLength > 0) chunk.writeUInt8(chunk.readUInt8(0) ^ 1, 0);
          first = false;
          response.write(chunk);
        }
        response.end();
      };
    case "headers":
      return async (response, answer) => {
        for (const [name, value] of Object.entries(fault.set)) {
          if (value === null) delete answer.headers[name];
          else answer.headers[name] = value;
        }
        await pass(response, answer);
      };
  }
}

async function forward(
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  const { method = "GET", url = "/", headers } = request;
  const outgoing = sendRequest(`http://${upstream}${url}`, { method, headers, agent: false });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  answered.catch(() => undefined);
  let left = fault?.kind === "reset-upload" ? fault.after : Infinity;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    outgoing.write(chunk.subarray(0, left));
    left -= chunk.byteLength;
    if (left <= 0) {
      // Time for the registry to write down what it got.
      await new Promise((resolve) => setTimeout(resolve, 100));
      outgoing.destroy();
      return cut(response);
    }
  }
  outgoing.end();
  const [answer] = await answered;
  await mangleOf(fault)(response, answer);
}

/** A proxy in front of a registry that spoils the exchanges it is told to. It counts requests, and keeps what it saw. */
export async function startFaultProxy({ upstream, fault }: FaultProxyOptions): Promise<FaultProxy> {
  const requests: SeenRequest[] = [];
  const state = { fault: fault ?? ((): undefined => undefined) };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url = "", headers } = request;
    const seen = { number: requests.length + 1, method, url, headers };
    requests.push(seen);
    const chosen = state.fault(seen);
    if (chosen?.kind === "garbage") return void response.socket?.end("no such protocol\r\n\r\n");
    if (chosen?.kind !== "status" && upstream !== undefined) return await forward(upstream, request, response, chosen);
    request.resume();
    const { status = 404, headers: fields = {}, body = "" } = chosen?.kind === "status" ? chosen : {};
    response.writeHead(status, fields);
    response.end(body);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => cut(response));
  });
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => void sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    get bytes() {
      const sum = (of: (socket: Socket) => number): number => sockets.reduce((total, socket) => total + of(socket), 0);
      return { up: sum(({ bytesRead }) => bytesRead), down: sum(({ bytesWritten }) => bytesWritten) };
    },
    get fault() {
      return state.fault;
    },
    set fault(next) {
      state.fault = next;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
