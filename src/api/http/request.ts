import type { IncomingMessage } from "node:http";
import { finished } from "node:stream/promises";
import { VarveError } from "../../core/index.ts";
import type { HttpRequest } from "./types.ts";

/** ms that a client may take for the next piece of a body somebody waits for. */
const BODY_IDLE = 120_000;
/** Bytes of a body nobody wants that are read and dropped. */
const DISCARD = 1_073_741_824;
/** ms that a client may pause while it sends such a body. */
const DISCARD_IDLE = 1000;

/** Node's request as a value. The target may be in absolute form, as proxies send it. */
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
 * Pulls a body. Time counts only while somebody waits for the client, so that a slow reader does it no harm. What is left
 * unread can be read by others afterwards.
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
  try {
    return await chunks.next();
  } catch (error) {
    if (error instanceof VarveError) throw error;
    if (signal.reason instanceof VarveError) throw signal.reason;
    throw new VarveError("cancelled", "Cannot read the request: the client went away", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the rest of a body and drops it. Returns at its end, or when the client has paused or sent too much. */
export async function discardBody(message: IncomingMessage): Promise<void> {
  if (message.complete || message.destroyed) return;
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(), DISCARD_IDLE);
  let size = 0;
  // A reader that has not finished would keep the body from flowing.
  message.removeAllListeners("readable");
  message.on("data", (chunk: Uint8Array) => {
    timer.refresh();
    size += chunk.byteLength;
    if (size > DISCARD) enough.abort();
  });
  try {
    await finished(message.resume(), { writable: false, signal: enough.signal });
  } catch {
    // Enough was dropped, or the client has gone. The message is not complete.
  } finally {
    clearTimeout(timer);
  }
}
