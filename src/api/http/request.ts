import type { IncomingMessage } from "node:http";
import { finished } from "node:stream/promises";
import { VarveError } from "../../core/index.ts";
import type { HttpRequest } from "./types.ts";

/** Maximum time in ms that a read of a body waits for the client. */
const BODY_IDLE = 120_000;
/** Maximum number of bytes of an unread body that are discarded. */
const DISCARD = 1_073_741_824;
/** Maximum time in ms between two chunks of a body that is discarded. */
const DISCARD_IDLE = 1000;

/** Converts Node's request. Accepts a target in absolute form, which proxies send. */
export function requestOf(message: IncomingMessage, signal: AbortSignal): HttpRequest {
  const target = (message.url ?? "/").replace(/^https?:\/\/[^/?]*/i, "");
  const mark = target.indexOf("?");
  const length = message.headers["content-length"];
  return {
    method: message.method ?? "GET",
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)),
    headers: new Map(
      Object.entries(message.headers).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as const],
      ),
    ),
    contentLength: length === undefined ? undefined : Number(length),
    body: bodyOf(message, signal),
    signal,
  };
}

/**
 * Yields a body. The time-out runs only while a read waits for the client, so a slow reader does not cause it. An early
 * return leaves the rest of the body readable.
 */
async function* bodyOf(message: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const chunks = message.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const { value, done } = await nextChunk(message, chunks, signal);
      if (done === true) return;
      yield value;
    }
  } finally {
    await chunks.return?.();
  }
}

async function nextChunk(
  message: IncomingMessage,
  chunks: AsyncIterator<Uint8Array>,
  signal: AbortSignal,
): Promise<IteratorResult<Uint8Array>> {
  const stalled = new VarveError("cancelled", "Cannot read the request: the client stopped sending");
  const timer = setTimeout(() => message.destroy(stalled), BODY_IDLE);
  // A read that never ends, because the rest of the body was discarded, must not keep a stopped server running.
  timer.unref();
  try {
    return await chunks.next();
  } catch (error) {
    if (error instanceof VarveError) throw error;
    if (signal.reason instanceof VarveError) throw signal.reason;
    throw new VarveError("cancelled", "Cannot read the request: the client disconnected", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Discards the rest of a body. Returns at its end, when the client pauses too long, or when it sends too much. */
export async function discardBody(message: IncomingMessage): Promise<void> {
  if (message.complete || message.destroyed) return;
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(), DISCARD_IDLE);
  let size = 0;
  // A "readable" listener of an unfinished reader would stop the "data" events.
  message.removeAllListeners("readable");
  message.on("data", (chunk: Uint8Array) => {
    timer.refresh();
    size += chunk.byteLength;
    if (size > DISCARD) enough.abort();
  });
  try {
    await finished(message.resume(), { writable: false, signal: enough.signal });
  } catch {
    // A limit was reached, or the client disconnected. `message.complete` is false.
  } finally {
    clearTimeout(timer);
  }
}
