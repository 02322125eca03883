import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { throwIfAborted } from "../core/index.ts";
import { tellQuiet } from "../io/index.ts";
import { toHttpFailure } from "./connection-failure.ts";
import { HttpFailure, type HttpHeaders, type TransportRequest, type TransportResponse } from "./message.ts";
import { Watchdog } from "./watchdog.ts";

export interface ExchangeOptions {
  /** Time limit for the connection, TLS included, in milliseconds. */
  readonly connect: number;
  /** Maximum silence during a wait for the server, in milliseconds. */
  readonly idle: number;
  /** Milliseconds of silence before the first report. */
  readonly notice: number;
  /** Called once when the response was read or discarded; not if `exchange` throws. */
  readonly onEnd: () => void;
}

/** A rest of at most this many bytes is read to keep the connection. */
const DISCARD = 65_536;

const seconds = (ms: number): string => `${ms / 1000} s`;

function isHandshaking(socket: Socket): boolean {
  return socket.connecting || ("secureConnecting" in socket && socket.secureConnecting === true);
}

/** Settles when the request has a connection. */
function connected(client: ClientRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once("socket", (socket) => {
    if (!isHandshaking(socket)) return resolve();
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => resolve());
  });
  client.once("error", reject);
  client.once("close", () => reject(new HttpFailure("broken", "the connection was closed")));
  return promise;
}

function answered(client: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  client.once("response", resolve);
  client.once("upgrade", () => reject(new HttpFailure("malformed", "the server wants to change the protocol")));
  client.on("error", reject);
  client.once("close", () => reject(new HttpFailure("broken", "the connection was closed before an answer came")));
  promise.catch(() => undefined);
  return promise;
}

/** Settles when more can be written, or the request has ended. */
function drained(client: ClientRequest): Promise<void> {
  const events = ["drain", "response", "error", "close"] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) client.off(event, done);
      resolve();
    };
    for (const event of events) client.on(event, done);
  });
}

/** Sends the body until its end or until a response comes; true if all of it was sent. */
async function sendBody(
  client: ClientRequest,
  request: TransportRequest,
  answer: Promise<unknown>,
  watchdog: Watchdog,
): Promise<boolean> {
  if (request.body === undefined) return true;
  let early = false;
  const stop = (): void => void (early = true);
  answer.then(stop, stop);
  for await (const chunk of request.body.open()) {
    throwIfAborted(request.signal, "send");
    if (early) return false;
    if (!client.write(chunk)) await watchdog.wait(drained(client));
  }
  return !early;
}

function headersOf(message: IncomingMessage): HttpHeaders {
  return new Map(Object.entries(message.headersDistinct).map(([name, values]) => [name, values ?? []]));
}

/**
 * Carries out one request on a prepared `ClientRequest`. A response before the end of the body stops the sending,
 * and the connection is not reused.
 */
export async function exchange(
  client: ClientRequest,
  request: TransportRequest,
  { connect, idle, notice, onEnd }: ExchangeOptions,
): Promise<TransportResponse> {
  const { signal } = request;
  const onAbort = (): void => void client.destroy(new HttpFailure("broken", "cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  const notices = { first: notice, tell: request.onQuiet };
  const watchdog = new Watchdog(idle, notices, () => {
    client.destroy(new HttpFailure("timeout", `nothing came for ${seconds(idle)}`));
  });
  const release = (): void => {
    signal?.removeEventListener("abort", onAbort);
    watchdog[Symbol.dispose]();
  };
  try {
    const answer = answered(client);
    if (request.body === undefined) client.end();
    else client.flushHeaders();
    await tellQuiet(withinConnect(client, connect), notices.tell, notices.first);
    const whole = await sendBody(client, request, answer, watchdog);
    if (whole && request.body !== undefined) client.end();
    const message = await watchdog.wait(answer);
    return response(client, message, { whole, watchdog, signal, end: () => (release(), onEnd()) });
  } catch (error) {
    client.destroy();
    release();
    throw error;
  }
}

async function withinConnect(client: ClientRequest, connect: number): Promise<void> {
  const timer = setTimeout(() => {
    client.destroy(new HttpFailure("timeout", `no connection within ${seconds(connect)}`));
  }, connect);
  try {
    await connected(client);
  } finally {
    clearTimeout(timer);
  }
}

interface Rest {
  readonly whole: boolean;
  readonly watchdog: Watchdog;
  readonly signal: AbortSignal | undefined;
  readonly end: () => void;
}

function response(client: ClientRequest, message: IncomingMessage, rest: Rest): TransportResponse {
  const body = read(client, message, rest);
  return {
    status: message.statusCode ?? 0,
    headers: headersOf(message),
    body,
    discard: async () => {
      let left = DISCARD;
      try {
        for await (const chunk of body) {
          left -= chunk.byteLength;
          if (left < 0) break;
        }
      } catch {
        // The rest is not needed: ignore that it broke off.
      }
    },
  };
}

async function* read(
  client: ClientRequest,
  message: IncomingMessage,
  { whole, watchdog, signal, end }: Rest,
): AsyncGenerator<Uint8Array> {
  let finished = false;
  try {
    const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    for (;;) {
      const next = await watchdog.wait(chunks.next());
      if (next.done === true) break;
      yield next.value;
    }
    if (!message.complete) throw new HttpFailure("broken", "the connection was closed before the end");
    finished = true;
  } catch (error) {
    throwIfAborted(signal, "read");
    throw toHttpFailure(error);
  } finally {
    if (!finished || !whole) client.destroy();
    end();
  }
}
